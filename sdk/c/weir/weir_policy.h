// Policies in C: what happened comes in, what weights should be goes out.
//
// Define WEIR_POLICY(..) in one file. What a function says through weir_drain, weir_scale,
// weir_floor, weir_cap and weir_clear takes place if it returns true, and not at all if it
// returns false or traps. Everything else the world has is in bindings/policy.h.
#ifndef WEIR_POLICY_H
#define WEIR_POLICY_H

#include "bindings/policy.h"

#ifdef __cplusplus
extern "C" {
#endif

// Text: `len` bytes of UTF-8 at `ptr`, without a NUL.
typedef policy_string_t weir_text_t;
// A real server: its service, and its own address and port.
typedef weir_ipvs_real_servers_real_server_key_t weir_server_t;
// A real server changed health: `server`, `detail`, `before`, `after`, `lasted`.
typedef weir_plugin_events_health_change_t weir_health_change_t;
// A real server as the kernel has it: `config`, `active`, `inactive`, `stats`.
typedef weir_ipvs_real_servers_real_server_t weir_real_server_t;

// Health of a real server, after rise and fall counting by the host.
enum { WEIR_UNKNOWN, WEIR_UP, WEIR_DOWN };

// How grave a line of the log is.
enum { WEIR_TRACE, WEIR_DEBUG, WEIR_INFO, WEIR_WARN, WEIR_ERROR };

// What a policy does; what is left out does nothing. Each returns false, by weir_fail, if it
// failed.
typedef struct {
    // The instance is made; `config` is its settings, JSON text of an object. Where this
    // fails, the policy is not used.
    bool (*init)(weir_text_t config);
    // The instance has begun, or lost events. Left out, `health` is told of every real
    // server whose health is known, as it is.
    bool (*started)(void);
    // A real server changed health.
    bool (*health)(const weir_health_change_t *change);
    // The instance will be stopped.
    bool (*stopping)(void);
} weir_policy_t;

extern const weir_policy_t weir_policy;

#define WEIR_POLICY(...) const weir_policy_t weir_policy = {__VA_ARGS__}

// No new connections for this real server until weir_clear, whatever others say. False if
// the grant does not allow it: return that, and the operator reads which key would.
bool weir_drain(const weir_server_t *server, weir_text_t reason);
// Multiplies the base weight, in thousandths, 1 or more. A number outside the grant's range
// is bounded by it.
bool weir_scale(const weir_server_t *server, uint32_t thousandths, weir_text_t reason);
// At least this weight; never lifts a drain.
bool weir_floor(const weir_server_t *server, uint32_t weight, weir_text_t reason);
// At most this weight, 1 or more.
bool weir_cap(const weir_server_t *server, uint32_t weight, weir_text_t reason);
// Takes back what this policy says of the real server. Always true.
bool weir_clear(const weir_server_t *server);

// Calls `each` for every real server that the grant shows, in the order of the table, until
// one says false; what the last one said.
bool weir_each_server(bool (*each)(const weir_server_t *key, const weir_real_server_t *server));

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
