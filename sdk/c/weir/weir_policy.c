// The exports of a policy, by what WEIR_POLICY has, and the host's functions with less to
// write.

#include "weir_policy.h"

#include <stdlib.h>
#include <string.h>

// Why the call under way failed; empty while it did not.
static weir_text_t failure;

bool weir_fail(weir_text_t message) {
    policy_string_free(&failure);
    policy_string_dup_n(&failure, (const char *)message.ptr, message.len);
    return false;
}

// Hands the reason over to the host, which frees it.
static bool failed(weir_plugin_failures_failure_t *err) {
    if (failure.len == 0)
        weir_fail(weir_text("it failed, and did not say why"));
    err->message = failure;
    err->retryable = false;
    memset(&failure, 0, sizeof failure);
    return false;
}

bool exports_weir_plugin_reactor_init(exports_weir_plugin_reactor_context_t *context,
                                      exports_weir_plugin_reactor_subscription_t *ret,
                                      exports_weir_plugin_reactor_failure_t *err) {
    exports_weir_plugin_reactor_context_free(context);
    if (weir_policy.init) {
        weir_text_t config;
        weir_host_config_get(&config);
        bool is_good = weir_policy.init(config);
        policy_string_free(&config);
        if (!is_good)
            return failed(err);
    }
    ret->kinds.ptr = malloc(sizeof *ret->kinds.ptr);
    ret->kinds.ptr[0] = WEIR_PLUGIN_EVENTS_KIND_HEALTH;
    ret->kinds.len = 1;
    ret->stats_every.is_some = false;
    return true;
}

static bool is_told(const weir_server_t *key, const weir_real_server_t *server) {
    (void)server;
    weir_plugin_health_list_real_server_key_t keys = {(weir_server_t *)key, 1};
    weir_plugin_health_list_health_report_t reports;
    weir_plugin_health_current(&keys, &reports);
    weir_health_change_t found = {
        .server = *key,
        .detail = weir_text("found so when the policy started"),
        .before = WEIR_UNKNOWN,
        .after = reports.len ? reports.ptr[0].status : WEIR_UNKNOWN,
        .lasted = 0,
    };
    weir_plugin_health_list_health_report_free(&reports);
    return found.after == WEIR_UNKNOWN || weir_policy.health(&found);
}

static bool start(void) {
    if (weir_policy.started)
        return weir_policy.started();
    return !weir_policy.health || weir_each_server(is_told);
}

static bool dispatch(const weir_plugin_events_event_t *event) {
    switch (event->tag) {
    case WEIR_PLUGIN_EVENTS_EVENT_STARTED:
    case WEIR_PLUGIN_EVENTS_EVENT_OVERFLOW:
        return start();
    case WEIR_PLUGIN_EVENTS_EVENT_HEALTH:
        return !weir_policy.health || weir_policy.health(&event->val.health);
    case WEIR_PLUGIN_EVENTS_EVENT_STOPPING:
        return !weir_policy.stopping || weir_policy.stopping();
    default:
        return true;
    }
}

bool exports_weir_plugin_reactor_handle(exports_weir_plugin_reactor_list_envelope_t *batch,
                                        exports_weir_plugin_reactor_failure_t *err) {
    bool is_good = true;
    for (size_t i = 0; i < batch->len && is_good; i++)
        is_good = dispatch(&batch->ptr[i].event);
    exports_weir_plugin_reactor_list_envelope_free(batch);
    return is_good || failed(err);
}

static bool refused(const weir_ipvs_errors_error_t *error) {
    switch (error->tag) {
    case WEIR_IPVS_ERRORS_ERROR_DENIED:
        return weir_fail(error->val.denied.message);
    case WEIR_IPVS_ERRORS_ERROR_NO_SUCH_SERVER:
        return weir_fail(weir_text("the host does not know this real server"));
    default:
        return weir_fail(weir_text("the host refused this statement"));
    }
}

static bool publish(const weir_server_t *server, weir_plugin_intents_intent_t intent,
                    weir_text_t reason) {
    weir_plugin_intents_statement_t statement = {
        .key = *server, .intent = intent, .lease = {.is_some = false}, .reason = reason};
    weir_plugin_intents_list_statement_t statements = {&statement, 1};
    weir_plugin_intents_list_verdict_t verdicts;
    weir_plugin_intents_publish(&statements, &verdicts);
    bool is_good = true;
    if (verdicts.len && verdicts.ptr[0].tag == WEIR_PLUGIN_INTENTS_VERDICT_REFUSED)
        is_good = refused(&verdicts.ptr[0].val.refused);
    weir_plugin_intents_list_verdict_free(&verdicts);
    return is_good;
}

bool weir_drain(const weir_server_t *server, weir_text_t reason) {
    weir_plugin_intents_intent_t intent = {.tag = WEIR_PLUGIN_INTENTS_INTENT_DRAIN};
    return publish(server, intent, reason);
}

bool weir_scale(const weir_server_t *server, uint32_t thousandths, weir_text_t reason) {
    weir_plugin_intents_intent_t intent = {
        .tag = WEIR_PLUGIN_INTENTS_INTENT_SCALE, .val.scale = thousandths};
    return publish(server, intent, reason);
}

bool weir_floor(const weir_server_t *server, uint32_t weight, weir_text_t reason) {
    weir_plugin_intents_intent_t intent = {
        .tag = WEIR_PLUGIN_INTENTS_INTENT_FLOOR, .val.floor = weight};
    return publish(server, intent, reason);
}

bool weir_cap(const weir_server_t *server, uint32_t weight, weir_text_t reason) {
    weir_plugin_intents_intent_t intent = {
        .tag = WEIR_PLUGIN_INTENTS_INTENT_CAP, .val.cap = weight};
    return publish(server, intent, reason);
}

bool weir_clear(const weir_server_t *server) {
    weir_plugin_intents_list_real_server_key_t keys = {(weir_server_t *)server, 1};
    weir_plugin_intents_withdraw(&keys);
    return true;
}

bool weir_each_server(bool (*each)(const weir_server_t *key, const weir_real_server_t *server)) {
    weir_ipvs_snapshots_own_snapshot_t owned = weir_ipvs_table_current();
    weir_ipvs_snapshots_borrow_snapshot_t snapshot = weir_ipvs_snapshots_borrow_snapshot(owned);
    weir_ipvs_snapshots_list_service_t services;
    weir_ipvs_snapshots_method_snapshot_services(snapshot, 0, UINT32_MAX, &services);
    bool is_good = true;
    for (uint32_t i = 0; i < services.len && is_good; i++) {
        weir_ipvs_snapshots_list_real_server_t servers;
        weir_ipvs_snapshots_method_snapshot_real_servers(snapshot, i, &servers);
        for (size_t j = 0; j < servers.len && is_good; j++) {
            weir_server_t key = {services.ptr[i].config.key, servers.ptr[j].config.server};
            is_good = each(&key, &servers.ptr[j]);
        }
        weir_ipvs_snapshots_list_real_server_free(&servers);
    }
    weir_ipvs_snapshots_list_service_free(&services);
    weir_ipvs_snapshots_snapshot_drop_own(owned);
    return is_good;
}

void weir_log(uint8_t level, weir_text_t message) {
    policy_list_tuple2_string_string_t fields = {NULL, 0};
    weir_host_log_write(level, &message, &fields);
}

weir_text_t weir_text(const char *text) {
    return (weir_text_t){(uint8_t *)text, strlen(text)};
}
