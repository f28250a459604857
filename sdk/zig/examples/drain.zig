//! Drains a real server that is down, and gives its weight back when it is up.

const weir = @import("weir");

pub fn health(change: weir.HealthChange) !void {
    switch (change.after) {
        .down => try weir.drain(change.server, change.detail),
        .up => weir.clear(change.server),
        .unknown => {},
    }
}

comptime {
    weir.policy(@This());
}
