// The export of a guard, by what WEIR_GUARD has, and the table with less to write.

#include "weir_guard.h"

#include <stdlib.h>
#include <string.h>

void exports_weir_plugin_guarding_judge(exports_weir_plugin_guarding_review_t *review,
                                        exports_weir_plugin_guarding_verdict_t *ret) {
    *ret = weir_guard(review);
    exports_weir_plugin_guarding_review_free(review);
}

weir_verdict_t weir_allow(void) {
    weir_verdict_t verdict = {.tag = EXPORTS_WEIR_PLUGIN_GUARDING_VERDICT_ALLOW};
    return verdict;
}

weir_verdict_t weir_warn(weir_text_t message) {
    weir_verdict_t verdict = {.tag = EXPORTS_WEIR_PLUGIN_GUARDING_VERDICT_WARN};
    guard_string_dup_n(&verdict.val.warn, (const char *)message.ptr, message.len);
    return verdict;
}

weir_verdict_t weir_deny(weir_text_t message) {
    weir_verdict_t verdict = {.tag = EXPORTS_WEIR_PLUGIN_GUARDING_VERDICT_DENY};
    guard_string_dup(&verdict.val.deny.code, "denied");
    guard_string_dup_n(&verdict.val.deny.message, (const char *)message.ptr, message.len);
    return verdict;
}

void weir_each_now(const weir_service_key_t *service,
                   void (*each)(const weir_real_server_t *server, void *context), void *context) {
    weir_ipvs_table_own_snapshot_t owned = weir_ipvs_table_current();
    weir_ipvs_snapshots_borrow_snapshot_t snapshot = weir_ipvs_snapshots_borrow_snapshot(owned);
    uint32_t number;
    weir_service_key_t key = *service;
    if (weir_ipvs_snapshots_method_snapshot_find(snapshot, &key, &number)) {
        weir_ipvs_snapshots_list_real_server_t servers;
        weir_ipvs_snapshots_method_snapshot_real_servers(snapshot, number, &servers);
        for (size_t index = 0; index < servers.len; index++)
            each(&servers.ptr[index], context);
        weir_ipvs_snapshots_list_real_server_free(&servers);
    }
    weir_ipvs_snapshots_snapshot_drop_own(owned);
}

weir_text_t weir_settings(void) {
    weir_text_t settings;
    weir_host_config_get(&settings);
    return settings;
}

void weir_log(uint8_t level, weir_text_t message) {
    guard_list_tuple2_string_string_t fields = {NULL, 0};
    weir_host_log_write(level, &message, &fields);
}

weir_text_t weir_text(const char *text) {
    return (weir_text_t){(uint8_t *)text, strlen(text)};
}
