//! Gives a real server that has more connections open fewer new ones.

const std = @import("std");
const weir = @import("weir");

fn weigh(service: *const weir.Service, scales: []u32) weir.Error!void {
    var total: u64 = 0;
    var weights: u64 = 0;
    for (weir.candidates(service)) |*it| {
        total += opened(it);
        weights += it.unweighed;
    }
    for (weir.candidates(service), scales) |*it, *place| {
        place.* = scale(it, total * it.unweighed, weights * opened(it));
    }
}

/// Ten more than there are: below that, differences are chance.
fn opened(it: *const weir.Candidate) u64 {
    return @as(u64, it.server.active) + 10;
}

/// Three tenths of the way from the present scale to the one that is fair by the weight that
/// it has without this: in small steps, for new connections follow late.
fn scale(it: *const weir.Candidate, fair: u64, found: u64) u32 {
    const weight: u64 = it.server.config.weight;
    const target = clamp(1000 * fair / @max(found, 1));
    const now = if (weight > 0) clamp(1000 * weight / @max(it.unweighed, 1)) else 1000;
    return @intCast((7 * now + 3 * target) / 10);
}

fn clamp(thousandths: u64) u64 {
    return std.math.clamp(thousandths, 500, 1500);
}

comptime {
    weir.weigher(weigh);
}
