// Guards in C: a planned change comes in, a verdict goes out.
//
// Define WEIR_GUARD(function) in one file. Everything else the world has is in
// bindings/guard.h.
#ifndef WEIR_GUARD_H
#define WEIR_GUARD_H

#include "bindings/guard.h"

#ifdef __cplusplus
extern "C" {
#endif

// Text: `len` bytes of UTF-8 at `ptr`, without a NUL.
typedef guard_string_t weir_text_t;
// A change to be judged: `origin`, `reason`, `operations`, `outcome`.
typedef exports_weir_plugin_guarding_review_t weir_review_t;
// A service as it would be: `config`, `real_servers`.
typedef exports_weir_plugin_guarding_planned_service_t weir_planned_service_t;
// What identifies a service.
typedef weir_ipvs_services_service_key_t weir_service_key_t;
// A real server as the kernel has it: `config`, `active`, `inactive`, `stats`.
typedef weir_ipvs_real_servers_real_server_t weir_real_server_t;
// What becomes of a change.
typedef exports_weir_plugin_guarding_verdict_t weir_verdict_t;

// How grave a line of the log is.
enum { WEIR_TRACE, WEIR_DEBUG, WEIR_INFO, WEIR_WARN, WEIR_ERROR };

// Judges one change.
typedef weir_verdict_t (*weir_judge_t)(const weir_review_t *review);

extern const weir_judge_t weir_guard;

#define WEIR_GUARD(function) const weir_judge_t weir_guard = (function)

// It goes on.
weir_verdict_t weir_allow(void);
// It goes on, and people are told. The text is copied.
weir_verdict_t weir_warn(weir_text_t message);
// Nothing of it is done, and whoever wanted it is told why. The text is copied.
weir_verdict_t weir_deny(weir_text_t message);

// Calls `each` for every real server that the service has now, in the order of the table,
// with `context`; none if the grant does not show the service.
void weir_each_now(const weir_service_key_t *service,
                   void (*each)(const weir_real_server_t *server, void *context), void *context);
// The plugin's settings, JSON text of an object; to be freed by guard_string_free.
weir_text_t weir_settings(void);
// Writes a line to the log.
void weir_log(uint8_t level, weir_text_t message);
// Text that ends with a NUL.
weir_text_t weir_text(const char *text);

#ifdef __cplusplus
}
#endif
#endif
