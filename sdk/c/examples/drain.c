// Drains a real server that is down, and gives its weight back when it is up.

#include "weir_policy.h"

static bool health(const weir_health_change_t *change) {
    switch (change->after) {
    case WEIR_DOWN:
        return weir_drain(&change->server, change->detail);
    case WEIR_UP:
        return weir_clear(&change->server);
    default:
        return true;
    }
}

WEIR_POLICY(.health = health);
