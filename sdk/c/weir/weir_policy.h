// Policies in C: what happened comes in, what weights should be goes out.
//
// Define WEIR_POLICY(..) in one file. What a function says through weir_drain, weir_scale,
// weir_floor, weir_cap and weir_clear takes place if it returns true, and not at all if it
// returns false or traps. Everything else the world has is in bindings/policy.h.
//
// One that calls weir_ask, weir_ensure, weir_give_up or weir_owned is a controller.
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
// What became of a request: its `tag`, and `outcome`, which is a weir_response_t, `val.ok`, or
// where it `is_err`, why there is none, `val.err`.
typedef weir_plugin_events_http_answer_t weir_answer_t;

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
    // Connections and stats are fresh, `elapsed` milliseconds after they were before, 0 = this
    // is the first time. weir_every says how often.
    bool (*stats)(uint64_t elapsed);
    // What weir_ask asked is answered, or is not.
    bool (*answered)(const weir_answer_t *answer);
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

// The value of the real server's own label in the host's configuration; its `ptr` is NULL where
// it has none such. Valid until this is called again.
weir_text_t weir_label(const weir_server_t *server, weir_text_t name);

// Milliseconds between two calls of `stats`, 1000 at least, from `init`; 5000 unless it is called.
void weir_every(uint64_t milliseconds);

// Says why this call failed. Returns false, so that it can be returned.
bool weir_fail(weir_text_t message);
// What was said so last; valid until something fails again.
weir_text_t weir_failure(void);
// Writes a line to the log.
void weir_log(uint8_t level, weir_text_t message);
// Text that ends with a NUL.
weir_text_t weir_text(const char *text);

// What follows is for controllers. What is passed stays the caller's.

// `tag`, `method`, `url`, `headers`, `body`, `timeout` (milliseconds, 60000 at most).
typedef weir_host_http_messages_request_t weir_request_t;
// A header of it.
typedef weir_host_http_messages_tuple2_string_header_value_t weir_header_t;
// `status`, `headers` (`f0` in small letters, and the bytes `f1`), `body`.
typedef weir_host_http_messages_response_t weir_response_t;
// Why there is none.
typedef weir_host_http_messages_error_t weir_http_error_t;
// What identifies a service.
typedef weir_ipvs_services_service_key_t weir_service_key_t;
// A service as it should be: `name`, `config`, `real_servers`.
typedef weir_plugin_structure_owned_service_t weir_service_t;
// Several.
typedef weir_plugin_structure_list_owned_service_t weir_services_t;
// A real server as it should be: `server`, `forwarding`, `weight` ..
typedef weir_ipvs_real_servers_real_server_config_t weir_real_server_config_t;

// Protocols of services.
enum { WEIR_TCP, WEIR_UDP, WEIR_SCTP };

// Has the host ask this by HTTP; `answered` is told, with the request's tag. False if the grant
// does not allow it, if it is no request, or if 8 are under way, as weir_is_busy says.
bool weir_ask(const weir_request_t *request);
// Whether the last weir_ask failed because 8 are under way.
bool weir_is_busy(void);
// A request by GET that may take 10 s. Its texts are those that are passed.
weir_request_t weir_get(weir_text_t tag, weir_text_t url);
// A header whose value is this text.
weir_header_t weir_header(weir_text_t name, weir_text_t value);
// A header whose value is `prefix`, such as "Bearer ", and a secret, by its name in the grant.
weir_header_t weir_secret(weir_text_t name, weir_text_t prefix, weir_text_t secret);
// Why there is no answer, for people. Lives as long as the error.
weir_text_t weir_why(const weir_http_error_t *error);

// Has the host make and keep this service, in the place of what this plugin owned with its key.
// False if the grant does not allow it, if it is no service, or if it has another owner.
bool weir_ensure(const weir_service_t *service);
// Gives a service up: its real servers are drained, and then it goes. Always true.
bool weir_give_up(const weir_service_key_t *key);
// All that this plugin owns, in the order of the table: to be freed by
// weir_plugin_structure_list_owned_service_free.
void weir_owned(weir_services_t *owned);
// A service without real servers, persistence or flags. Its texts are those that are passed.
weir_service_t weir_service(weir_text_t name, const weir_service_key_t *key,
                            weir_text_t scheduler);
// What identifies the service of this protocol at "192.0.2.1:80" or "[2001:db8::1]:80". False
// if that is none.
bool weir_vip(uint8_t protocol, weir_text_t address, weir_service_key_t *key);
// A real server by masquerading, without thresholds. False if the address is none.
bool weir_real_server(weir_text_t address, uint32_t weight, weir_real_server_config_t *server);
// Whether both identify the same service.
bool weir_is_same(const weir_service_key_t *one, const weir_service_key_t *other);

#ifdef __cplusplus
}
#endif
#endif
