// The export of a weigher, by what WEIR_WEIGHER has.

#include "weir_weigher.h"

#include <stdlib.h>
#include <string.h>

// What the call under way answers, but for its scales.
static weir_text_t failure;
static weigher_list_u8_t memo;

bool weir_fail(weir_text_t message) {
    weigher_string_free(&failure);
    weigher_string_dup_n(&failure, (const char *)message.ptr, message.len);
    return false;
}

void weir_remember(const void *bytes, size_t length) {
    weigher_list_u8_free(&memo);
    memo.len = length;
    memo.ptr = length ? malloc(length) : NULL;
    if (length)
        memcpy(memo.ptr, bytes, length);
}

bool exports_weir_plugin_weighing_weigh(exports_weir_plugin_weighing_input_t *input,
                                        exports_weir_plugin_weighing_output_t *ret,
                                        weigher_string_t *err) {
    size_t count = input->candidates.len;
    uint32_t *scales = malloc(count * sizeof *scales);
    for (size_t index = 0; index < count; index++)
        scales[index] = 1000;
    bool is_good = weir_weigher(input, scales);
    exports_weir_plugin_weighing_input_free(input);
    if (!is_good) {
        free(scales);
        if (failure.len == 0)
            weir_fail(weir_text("it failed, and did not say why"));
        *err = failure;
        memset(&failure, 0, sizeof failure);
        return false;
    }
    ret->scales.ptr = scales;
    ret->scales.len = count;
    ret->memo = memo;
    memset(&memo, 0, sizeof memo);
    return true;
}

void weir_log(uint8_t level, weir_text_t message) {
    weigher_list_tuple2_string_string_t fields = {NULL, 0};
    weir_host_log_write(level, &message, &fields);
}

weir_text_t weir_text(const char *text) {
    return (weir_text_t){(uint8_t *)text, strlen(text)};
}
