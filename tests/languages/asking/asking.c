// Asks in every way that there is, and says what came of it.

#include "weir_checker.h"

#include <stdio.h>

static weir_outcome_t check(const weir_target_t *target) {
    weir_header_t header = {weir_text("x-probe"), weir_text("weir")};
    weir_request_t request = {
        .method = weir_text("POST"),
        .path = weir_text("/a?b=1"),
        .headers = {&header, 1},
        .body = {(uint8_t *)"ping", 4},
    };
    weir_response_t answer;
    weir_connection_t connection;
    weir_bytes_t first, second, last, datagram;
    if (!weir_exchange("pong", 4, &datagram))
        return weir_error()->tag == WEIR_TIMEOUT ? weir_inconclusive(weir_text("late"))
                                                 : weir_unreached();
    if (!weir_http(&request, &answer) || !weir_connect(&connection) ||
        !weir_write(connection, "hello", 5) || !weir_read(connection, 2, &first) ||
        !weir_read(connection, 64, &second) || !weir_read(connection, 64, &last))
        return weir_unreached();
    weir_close(connection);
    checker_tuple2_string_list_u8_t *found = answer.headers.ptr;
    char text[256];
    snprintf(text, sizeof text, "%u %llu: %u %.*s=%.*s %.*s; %.*s %.*s %zu; %.*s",
             target->server.port, (unsigned long long)target->timeout, answer.status,
             (int)found->f0.len, (char *)found->f0.ptr, (int)found->f1.len, (char *)found->f1.ptr,
             (int)answer.body.len, (char *)answer.body.ptr, (int)first.len, (char *)first.ptr,
             (int)second.len, (char *)second.ptr, last.len, (int)datagram.len,
             (char *)datagram.ptr);
    weir_host_probe_response_free(&answer);
    checker_list_u8_free(&datagram);
    weir_log(WEIR_INFO, weir_text("asked"));
    return weir_down(weir_text(text));
}

WEIR_CHECKER(check);
