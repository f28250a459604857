//! Does on each event what its settings say, and should not be done.

const std = @import("std");
const weir = @import("weir");

var behaviour: u8 = 0;

pub fn init(config: []const u8) weir.Error!void {
    // {"do":"loop"}
    if (config.len > 7) behaviour = config[7];
    if (behaviour == 'i') @trap();
}

pub fn health(change: weir.HealthChange) weir.Error!void {
    var depth: u32 = 0;
    const seen: *volatile u32 = &depth;
    switch (behaviour) {
        'l' => while (true) {
            seen.* +%= 1;
        },
        'r' => _ = descend(seen),
        'g' => while (true) {
            const more = std.heap.page_allocator.alloc(u8, 1 << 20) catch
                return weir.fail("there is no more memory");
            @memset(more, 1);
        },
        't' => @trap(),
        else => {
            const zone = weir.label(change.server, "zone") orelse "no zone";
            var room: [64]u8 = undefined;
            const words = std.fmt.bufPrint(&room, "nothing is right in {s}", .{zone});
            return weir.fail(words catch unreachable);
        },
    }
}

fn descend(depth: *volatile u32) u32 {
    var below: [64]u32 = undefined;
    const seen: *volatile u32 = &below[0];
    seen.* = depth.* +% 1;
    return descend(seen) +% seen.*;
}

comptime {
    weir.policy(@This());
}
