// Weighers in C: what a service does comes in, scales of its weights go out.
//
// Define WEIR_WEIGHER(function) in one file. Everything else the world has is in
// bindings/weigher.h.
#ifndef WEIR_WEIGHER_H
#define WEIR_WEIGHER_H

#include "bindings/weigher.h"

#ifdef __cplusplus
extern "C" {
#endif

// Text: `len` bytes of UTF-8 at `ptr`, without a NUL.
typedef weigher_string_t weir_text_t;
// One service: `service`, `name`, `labels`, `settings` (JSON text of an object), `at`,
// `period`, `candidates` and `memo`. Of a label, `f0` is the name and `f1` the value.
typedef exports_weir_plugin_weighing_input_t weir_service_t;
// One of its real servers: `server` (`config`, `active`, `inactive`, `stats`), `labels`, `base`,
// `unweighed` (the weight that it would have without this plugin), `health`, `latency`,
// `delta`.
typedef exports_weir_plugin_weighing_candidate_t weir_candidate_t;

// Health of a real server, after rise and fall counting by the host.
enum { WEIR_UNKNOWN, WEIR_UP, WEIR_DOWN };

// How grave a line of the log is.
enum { WEIR_TRACE, WEIR_DEBUG, WEIR_INFO, WEIR_WARN, WEIR_ERROR };

// Weighs one service: `scales` has a place for each candidate, in thousandths of its base
// weight, 1 or more; each holds 1000, which is no effect. Returns false, by weir_fail, if it
// failed: then the scales before stay.
typedef bool (*weir_weigh_t)(const weir_service_t *service, uint32_t *scales);

extern const weir_weigh_t weir_weigher;

#define WEIR_WEIGHER(function) const weir_weigh_t weir_weigher = (function)

// Has the next call for this service find these bytes as its `memo`, 64 KiB at most, or 256
// bytes for each candidate. They are copied.
void weir_remember(const void *bytes, size_t length);
// Says why this call failed. Returns false, so that it can be returned.
bool weir_fail(weir_text_t message);
// Writes a line to the log.
void weir_log(uint8_t level, weir_text_t message);
// Text that ends with a NUL.
weir_text_t weir_text(const char *text);

#ifdef __cplusplus
}
#endif
#endif
