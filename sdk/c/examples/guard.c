// Refuses changes that leave a service with no real server to spare.

#include "weir_guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Real servers that carry the load of a service: `needed` of the settings, or 1.
static size_t needed(void) {
    weir_text_t settings = weir_settings();
    char text[256] = {0};
    memcpy(text, settings.ptr, settings.len < sizeof text ? settings.len : sizeof text - 1);
    guard_string_free(&settings);
    const char *said = strstr(text, "\"needed\":");
    return said ? strtoul(said + strlen("\"needed\":"), NULL, 10) : 1;
}

static void count(const weir_real_server_t *server, void *serving) {
    *(size_t *)serving += server->config.weight > 0;
}

static weir_verdict_t judge(const weir_review_t *review) {
    for (size_t index = 0; index < review->outcome.len; index++) {
        const weir_planned_service_t *service = &review->outcome.ptr[index];
        size_t before = 0, after = 0;
        weir_each_now(&service->config.key, count, &before);
        for (size_t it = 0; it < service->real_servers.len; it++)
            after += service->real_servers.ptr[it].weight > 0;
        if (after < before && after <= needed()) {
            char why[96];
            snprintf(why, sizeof why, "%zu real servers would be left, and %zu are wanted", after,
                     needed() + 1);
            return weir_deny(weir_text(why));
        }
    }
    return weir_allow();
}

WEIR_GUARD(judge);
