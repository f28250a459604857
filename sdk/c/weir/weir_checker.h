// Checkers in C: a server comes in, what it is found to be goes out.
//
// Define WEIR_CHECKER(function) in one file. Everything else the world has is in
// bindings/checker.h.
//
// What is passed stays the caller's, and is not changed. What is answered is the caller's: to
// be freed by weir_host_probe_response_free and checker_list_u8_free, or left, for the instance
// ends with its one check.
#ifndef WEIR_CHECKER_H
#define WEIR_CHECKER_H

#include "bindings/checker.h"

#ifdef __cplusplus
extern "C" {
#endif

// Text: `len` bytes of UTF-8 at `ptr`, without a NUL.
typedef checker_string_t weir_text_t;
// `len` bytes at `ptr`.
typedef checker_list_u8_t weir_bytes_t;
// What is to be checked: `server` (`address`, `port`), `settings` (JSON text of an object),
// `timeout` (milliseconds). It lives as long as the call.
typedef exports_weir_plugin_checking_target_t weir_target_t;
// What one check found.
typedef exports_weir_plugin_checking_outcome_t weir_outcome_t;
// A name, `f0`, and its value, `f1`.
typedef checker_tuple2_string_string_t weir_header_t;
// `method`, `path` (with the query), `headers`, `body`; the last two may be empty.
typedef weir_host_probe_request_t weir_request_t;
// `status`, `headers` (`f0` in small letters, and the bytes `f1`), `body`.
typedef weir_host_probe_response_t weir_response_t;
// A connection by TCP.
typedef weir_host_probe_own_connection_t weir_connection_t;
// Why there is no answer: `tag`, and a text in `val` for the last three.
typedef weir_host_probe_error_t weir_error_t;

// Tags of weir_error_t.
enum {
    WEIR_REFUSED,
    WEIR_UNREACHABLE,
    WEIR_TIMEOUT,
    WEIR_BROKEN,
    WEIR_PROTOCOL,
    WEIR_LOCAL,
    WEIR_INVALID,
};

// How grave a line of the log is.
enum { WEIR_TRACE, WEIR_DEBUG, WEIR_INFO, WEIR_WARN, WEIR_ERROR };

// Checks once.
typedef weir_outcome_t (*weir_check_t)(const weir_target_t *target);

extern const weir_check_t weir_checker;

#define WEIR_CHECKER(function) const weir_check_t weir_checker = (function)

// It does what it should.
weir_outcome_t weir_up(void);
// It does, and should get this percentage of its weight, 1 to 99. The text is copied.
weir_outcome_t weir_degraded(uint32_t percent, weir_text_t reason);
// It does not. The text is copied.
weir_outcome_t weir_down(weir_text_t reason);
// The check cannot tell: counts as nothing, and people are told. The text is copied.
weir_outcome_t weir_inconclusive(weir_text_t reason);
// It could not be asked: what weir_error() says. It is copied.
weir_outcome_t weir_unreached(void);
// It cannot be asked what the settings say. The text is copied.
weir_outcome_t weir_invalid(weir_text_t reason);

// Questions to the server under check, 64 at most. Each waits, and returns false where there is
// no answer: return weir_unreached() then, or look at weir_error().

// Asks for `path` by HTTP. Any status is an answer.
bool weir_get(weir_text_t path, weir_response_t *answer);
// Asks by HTTP.
bool weir_http(const weir_request_t *request, weir_response_t *answer);
// Sends one datagram by UDP, and waits for one.
bool weir_exchange(const void *datagram, size_t length, weir_bytes_t *answer);
// Connects by TCP, and shakes hands where the check says `tls`.
bool weir_connect(weir_connection_t *connection);
// Sends all of it.
bool weir_write(weir_connection_t connection, const void *bytes, size_t length);
// What is there, or comes: at most `max` bytes, and at most 64 KiB. Empty = the end.
bool weir_read(weir_connection_t connection, uint32_t max, weir_bytes_t *bytes);
// Ends it, with a reset. So does the end of the check.
void weir_close(weir_connection_t connection);
// Why the last question failed; valid until the next one.
const weir_error_t *weir_error(void);

// Writes a line to the log.
void weir_log(uint8_t level, weir_text_t message);
// Text that ends with a NUL.
weir_text_t weir_text(const char *text);

#ifdef __cplusplus
}
#endif
#endif
