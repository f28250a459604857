// A server says by HTTP how it is: what it answers decides whether it gets connections, or fewer.

#include "weir_checker.h"

#include <stdio.h>
#include <string.h>

// What is asked for: `path` of the settings, or "/ready".
static weir_text_t path(weir_text_t settings) {
    const char *key = "\"path\":\"";
    char *said = strstr(strndup((const char *)settings.ptr, settings.len), key);
    if (!said)
        return weir_text("/ready");
    said += strlen(key);
    said[strcspn(said, "\"")] = 0;
    return weir_text(said);
}

static weir_outcome_t check(const weir_target_t *target) {
    weir_response_t answer;
    if (!weir_get(path(target->settings), &answer))
        return weir_unreached();
    if (answer.status >= 200 && answer.status < 300)
        return weir_up();
    if (answer.status == 429)
        return weir_degraded(50, weir_text("it says that it is busy"));
    char why[16];
    snprintf(why, sizeof why, "status %u", answer.status);
    return weir_down(weir_text(why));
}

WEIR_CHECKER(check);
