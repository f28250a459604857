// The export of a checker, by what WEIR_CHECKER has, and the host's questions with less to write.

#include "weir_checker.h"

#include <string.h>

// Why the last question failed. Where none did, what counts as nothing.
static weir_error_t failure = {.tag = WEIR_HOST_PROBE_ERROR_LOCAL};

void exports_weir_plugin_checking_check(exports_weir_plugin_checking_target_t *target,
                                        exports_weir_plugin_checking_outcome_t *ret) {
    *ret = weir_checker(target);
    exports_weir_plugin_checking_target_free(target);
}

static weir_text_t copy(weir_text_t text) {
    weir_text_t copied;
    checker_string_dup_n(&copied, (const char *)text.ptr, text.len);
    return copied;
}

weir_outcome_t weir_up(void) {
    weir_outcome_t outcome = {.tag = EXPORTS_WEIR_PLUGIN_CHECKING_OUTCOME_PASS};
    return outcome;
}

weir_outcome_t weir_degraded(uint32_t percent, weir_text_t reason) {
    weir_outcome_t outcome = {.tag = EXPORTS_WEIR_PLUGIN_CHECKING_OUTCOME_DEGRADED};
    outcome.val.degraded.percent = percent;
    outcome.val.degraded.reason = copy(reason);
    return outcome;
}

weir_outcome_t weir_down(weir_text_t reason) {
    weir_outcome_t outcome = {.tag = EXPORTS_WEIR_PLUGIN_CHECKING_OUTCOME_FAIL};
    outcome.val.fail = copy(reason);
    return outcome;
}

weir_outcome_t weir_inconclusive(weir_text_t reason) {
    weir_outcome_t outcome = {.tag = EXPORTS_WEIR_PLUGIN_CHECKING_OUTCOME_INCONCLUSIVE};
    outcome.val.inconclusive = copy(reason);
    return outcome;
}

weir_outcome_t weir_unreached(void) {
    weir_outcome_t outcome = {.tag = EXPORTS_WEIR_PLUGIN_CHECKING_OUTCOME_UNREACHED};
    outcome.val.unreached = failure;
    // Each of those that have a text has it in the same place.
    if (failure.tag >= WEIR_HOST_PROBE_ERROR_PROTOCOL)
        outcome.val.unreached.val.protocol = copy(failure.val.protocol);
    return outcome;
}

weir_outcome_t weir_invalid(weir_text_t reason) {
    weir_outcome_t outcome = {.tag = EXPORTS_WEIR_PLUGIN_CHECKING_OUTCOME_UNREACHED};
    outcome.val.unreached.tag = WEIR_HOST_PROBE_ERROR_INVALID;
    outcome.val.unreached.val.invalid = copy(reason);
    return outcome;
}

// Where a question puts why it failed, if it does.
static weir_error_t *asked(void) {
    weir_host_probe_error_free(&failure);
    failure = (weir_error_t){.tag = WEIR_HOST_PROBE_ERROR_LOCAL};
    return &failure;
}

bool weir_get(weir_text_t path, weir_response_t *answer) {
    weir_request_t request = {.method = weir_text("GET"), .path = path};
    return weir_http(&request, answer);
}

bool weir_http(const weir_request_t *request, weir_response_t *answer) {
    return weir_host_probe_http((weir_request_t *)request, answer, asked());
}

bool weir_exchange(const void *datagram, size_t length, weir_bytes_t *answer) {
    weir_bytes_t sent = {(uint8_t *)datagram, length};
    return weir_host_probe_exchange(&sent, answer, asked());
}

bool weir_connect(weir_connection_t *connection) {
    return weir_host_probe_static_connection_connect(connection, asked());
}

bool weir_write(weir_connection_t connection, const void *bytes, size_t length) {
    weir_bytes_t sent = {(uint8_t *)bytes, length};
    return weir_host_probe_method_connection_write(weir_host_probe_borrow_connection(connection),
                                                   &sent, asked());
}

bool weir_read(weir_connection_t connection, uint32_t max, weir_bytes_t *bytes) {
    return weir_host_probe_method_connection_read(weir_host_probe_borrow_connection(connection),
                                                  max, bytes, asked());
}

void weir_close(weir_connection_t connection) {
    weir_host_probe_connection_drop_own(connection);
}

const weir_error_t *weir_error(void) { return &failure; }

void weir_log(uint8_t level, weir_text_t message) {
    checker_list_tuple2_string_string_t fields = {NULL, 0};
    weir_host_log_write(level, &message, &fields);
}

weir_text_t weir_text(const char *text) {
    return (weir_text_t){(uint8_t *)text, strlen(text)};
}
