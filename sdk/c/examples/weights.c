// Gives a real server that has more connections open fewer new ones.

#include "weir_weigher.h"

// Ten more than there are: below that, differences are chance.
static uint64_t opened(const weir_candidate_t *it) { return (uint64_t)it->server.active + 10; }

static uint64_t clamp(uint64_t thousandths) {
    return thousandths < 500 ? 500 : thousandths > 1500 ? 1500 : thousandths;
}

// Three tenths of the way from the present scale to the one that is fair by the weight that it
// has without this: in small steps, for new connections follow late.
static uint32_t scale(const weir_candidate_t *it, uint64_t fair, uint64_t found) {
    uint64_t target = clamp(1000 * fair / (found ? found : 1));
    uint64_t weight = it->server.config.weight, without = it->unweighed ? it->unweighed : 1;
    uint64_t now = weight ? clamp(1000 * weight / without) : 1000;
    return (uint32_t)((7 * now + 3 * target) / 10);
}

static bool weigh(const weir_service_t *service, uint32_t *scales) {
    uint64_t total = 0, weights = 0;
    for (size_t index = 0; index < service->candidates.len; index++) {
        total += opened(&service->candidates.ptr[index]);
        weights += service->candidates.ptr[index].unweighed;
    }
    for (size_t index = 0; index < service->candidates.len; index++) {
        const weir_candidate_t *it = &service->candidates.ptr[index];
        scales[index] = scale(it, total * it->unweighed, weights * opened(it));
    }
    return true;
}

WEIR_WEIGHER(weigh);
