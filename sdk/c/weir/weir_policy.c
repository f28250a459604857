// The exports of a policy, by what WEIR_POLICY has, and the host's functions with less to
// write.

#include "weir_policy.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

// Why the call under way failed; empty while it did not.
static weir_text_t failure;
// Whether that is because as much is asked as may be.
static bool is_busy;
// Milliseconds between two calls of `stats`; 0 = as the host does.
static uint64_t every;

bool weir_fail(weir_text_t message) {
    is_busy = false;
    policy_string_free(&failure);
    policy_string_dup_n(&failure, (const char *)message.ptr, message.len);
    return false;
}

weir_text_t weir_failure(void) { return failure; }

// Hands the reason over to the host, which frees it.
static bool failed(weir_plugin_failures_failure_t *err) {
    if (failure.len == 0)
        weir_fail(weir_text("it failed, and did not say why"));
    err->message = failure;
    err->retryable = is_busy;
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
    ret->kinds.ptr = malloc(2 * sizeof *ret->kinds.ptr);
    ret->kinds.len = 0;
    ret->kinds.ptr[ret->kinds.len++] = WEIR_PLUGIN_EVENTS_KIND_HEALTH;
    if (weir_policy.stats)
        ret->kinds.ptr[ret->kinds.len++] = WEIR_PLUGIN_EVENTS_KIND_STATS;
    ret->stats_every.is_some = every != 0;
    ret->stats_every.val = every;
    return true;
}

void weir_every(uint64_t milliseconds) { every = milliseconds; }

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
    case WEIR_PLUGIN_EVENTS_EVENT_STATS:
        return !weir_policy.stats || weir_policy.stats(event->val.stats);
    case WEIR_PLUGIN_EVENTS_EVENT_ANSWERED:
        return !weir_policy.answered || weir_policy.answered(&event->val.answered);
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
        return weir_fail(weir_text("the host refused it"));
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

weir_text_t weir_label(const weir_server_t *server, weir_text_t name) {
    static policy_list_list_tuple2_string_string_t found;
    policy_list_list_tuple2_string_string_free(&found);
    weir_plugin_labels_list_real_server_key_t keys = {(weir_server_t *)server, 1};
    weir_plugin_labels_of_real_servers(&keys, &found);
    for (size_t i = 0; found.len && i < found.ptr[0].len; i++) {
        weir_text_t it = found.ptr[0].ptr[i].f0;
        if (it.len == name.len && memcmp(it.ptr, name.ptr, it.len) == 0)
            return found.ptr[0].ptr[i].f1;
    }
    return (weir_text_t){NULL, 0};
}

void weir_log(uint8_t level, weir_text_t message) {
    policy_list_tuple2_string_string_t fields = {NULL, 0};
    weir_host_log_write(level, &message, &fields);
}

weir_text_t weir_text(const char *text) {
    return (weir_text_t){(uint8_t *)text, strlen(text)};
}

bool weir_ask(const weir_request_t *request) {
    weir_http_error_t error;
    if (weir_host_http_send((weir_request_t *)request, &error)) {
        is_busy = false;
        return true;
    }
    weir_fail(weir_why(&error));
    is_busy = error.tag == WEIR_HOST_HTTP_MESSAGES_ERROR_BUSY;
    weir_host_http_messages_error_free(&error);
    return false;
}

bool weir_is_busy(void) { return is_busy; }

weir_request_t weir_get(weir_text_t tag, weir_text_t url) {
    return (weir_request_t){.tag = tag, .method = weir_text("GET"), .url = url, .timeout = 10000};
}

weir_header_t weir_header(weir_text_t name, weir_text_t value) {
    weir_header_t header = {.f0 = name};
    header.f1.tag = WEIR_HOST_HTTP_MESSAGES_HEADER_VALUE_PLAIN;
    header.f1.val.plain = value;
    return header;
}

weir_header_t weir_secret(weir_text_t name, weir_text_t prefix, weir_text_t secret) {
    weir_header_t header = {.f0 = name};
    header.f1.tag = WEIR_HOST_HTTP_MESSAGES_HEADER_VALUE_SECRET;
    header.f1.val.secret.prefix = prefix;
    header.f1.val.secret.name = secret;
    return header;
}

weir_text_t weir_why(const weir_http_error_t *error) {
    switch (error->tag) {
    case WEIR_HOST_HTTP_MESSAGES_ERROR_DENIED:
        return error->val.denied;
    case WEIR_HOST_HTTP_MESSAGES_ERROR_INVALID:
        return error->val.invalid;
    case WEIR_HOST_HTTP_MESSAGES_ERROR_BUSY:
        return weir_text("as many requests are under way as may be");
    case WEIR_HOST_HTTP_MESSAGES_ERROR_TIMEOUT:
        return weir_text("its time is over");
    case WEIR_HOST_HTTP_MESSAGES_ERROR_TOO_LARGE:
        return weir_text("its answer is too long");
    default:
        return error->val.failed;
    }
}

bool weir_ensure(const weir_service_t *service) {
    weir_services_t services = {(weir_service_t *)service, 1};
    weir_plugin_structure_list_result_void_error_t results;
    weir_plugin_structure_ensure(&services, &results);
    bool is_good = true;
    if (results.len && results.ptr[0].is_err)
        is_good = refused(&results.ptr[0].val.err);
    weir_plugin_structure_list_result_void_error_free(&results);
    return is_good;
}

bool weir_give_up(const weir_service_key_t *key) {
    weir_plugin_structure_list_service_key_t keys = {(weir_service_key_t *)key, 1};
    weir_plugin_structure_remove(&keys);
    return true;
}

void weir_owned(weir_services_t *owned) { weir_plugin_structure_owned(owned); }

static bool is_v6(const weir_service_key_t *key) {
    if (key->tag == WEIR_IPVS_SERVICES_SERVICE_KEY_FWMARK)
        return key->val.fwmark.family == WEIR_IPVS_ADDRESSES_ADDRESS_FAMILY_IPV6;
    return key->val.vip.endpoint.address.tag == WEIR_IPVS_ADDRESSES_IP_ADDRESS_IPV6;
}

weir_service_t weir_service(weir_text_t name, const weir_service_key_t *key,
                            weir_text_t scheduler) {
    weir_service_t service = {.name = name};
    service.config.key = *key;
    service.config.scheduler = scheduler;
    // Every client by itself: an IPv4 mask, or the length of an IPv6 prefix.
    service.config.netmask = is_v6(key) ? 128 : UINT32_MAX;
    return service;
}

// Reads "192.0.2.1:80" or "[2001:db8::1]:80".
static bool parsed(weir_text_t text, weir_ipvs_addresses_endpoint_t *endpoint) {
    char address[64];
    if (text.len >= sizeof address)
        return false;
    memcpy(address, text.ptr, text.len);
    address[text.len] = 0;
    char *colon = strrchr(address, ':');
    if (!colon || strlen(address) != text.len)
        return false;
    char *digits = colon + 1;
    size_t count = strspn(digits, "0123456789");
    unsigned long port = strtoul(digits, NULL, 10);
    if (count == 0 || digits[count] || port > UINT16_MAX)
        return false;
    endpoint->port = port;
    *colon = 0;
    uint8_t bytes[16];
    if (inet_pton(AF_INET, address, bytes) == 1) {
        endpoint->address.tag = WEIR_IPVS_ADDRESSES_IP_ADDRESS_IPV4;
        memcpy(&endpoint->address.val.ipv4, bytes, 4);
        return true;
    }
    if (address[0] != '[' || colon[-1] != ']')
        return false;
    colon[-1] = 0;
    if (inet_pton(AF_INET6, address + 1, bytes) != 1)
        return false;
    uint16_t groups[8];
    for (size_t i = 0; i < 8; i++)
        groups[i] = bytes[2 * i] << 8 | bytes[2 * i + 1];
    endpoint->address.tag = WEIR_IPVS_ADDRESSES_IP_ADDRESS_IPV6;
    memcpy(&endpoint->address.val.ipv6, groups, sizeof groups);
    return true;
}

static bool no_address(void) {
    return weir_fail(weir_text("expected an address and a port, 10.0.0.1:80 or [2001:db8::1]:80"));
}

bool weir_vip(uint8_t protocol, weir_text_t address, weir_service_key_t *key) {
    *key = (weir_service_key_t){.tag = WEIR_IPVS_SERVICES_SERVICE_KEY_VIP};
    key->val.vip.protocol.tag = protocol;
    return parsed(address, &key->val.vip.endpoint) || no_address();
}

bool weir_real_server(weir_text_t address, uint32_t weight, weir_real_server_config_t *server) {
    // By masquerading, and where tunnels are concerned by the kernel's defaults: all are 0.
    *server = (weir_real_server_config_t){.weight = weight};
    return parsed(address, &server->server) || no_address();
}

bool weir_is_same(const weir_service_key_t *one, const weir_service_key_t *other) {
    if (one->tag != other->tag || is_v6(one) != is_v6(other))
        return false;
    if (one->tag == WEIR_IPVS_SERVICES_SERVICE_KEY_FWMARK)
        return one->val.fwmark.mark == other->val.fwmark.mark;
    const weir_ipvs_services_virtual_endpoint_t *a = &one->val.vip, *b = &other->val.vip;
    if (a->protocol.tag != b->protocol.tag || a->endpoint.port != b->endpoint.port)
        return false;
    if (a->protocol.tag == WEIR_IPVS_SERVICES_PROTOCOL_OTHER &&
        a->protocol.val.other != b->protocol.val.other)
        return false;
    size_t length = is_v6(one) ? 16 : 4;
    return memcmp(&a->endpoint.address.val, &b->endpoint.address.val, length) == 0;
}
