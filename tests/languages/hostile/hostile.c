// Does on each event what its settings say, and should not be done.

#include "weir_policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char behaviour;

static bool init(weir_text_t config) {
    // {"do":"loop"}
    behaviour = config.len > 7 ? ((const char *)config.ptr)[7] : 0;
    if (behaviour == 'i')
        __builtin_trap();
    return true;
}

static unsigned descend(volatile unsigned *depth) {
    volatile unsigned below[64];
    below[0] = *depth + 1;
    return descend(below) + below[0];
}

static bool health(const weir_health_change_t *change) {
    volatile unsigned depth = 0;
    weir_text_t zone = weir_label(&change->server, weir_text("zone"));
    char words[64];
    switch (behaviour) {
    case 'l':
        for (;;)
            depth++;
    case 'r':
        return descend(&depth) != 0;
    case 'g':
        for (void **held = NULL, **more;; held = more) {
            more = malloc(1 << 20);
            if (!more)
                return weir_fail(weir_text("there is no more memory"));
            memset(more, 1, 1 << 20);
            *(void *volatile *)more = held;
        }
    case 't':
        __builtin_trap();
    default:
        snprintf(words, sizeof words, "nothing is right in %.*s", (int)zone.len, (char *)zone.ptr);
        return weir_fail(weir_text(words));
    }
}

WEIR_POLICY(.init = init, .health = health);
