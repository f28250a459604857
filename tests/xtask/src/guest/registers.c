// The guest kernel's ptrace, on processors with AMX.
//
// The kernel reads the vector registers of its processes by PTRACE_GETREGSET, as many bytes as
// the host says they have, and writes as many back. Those that a process has to ask for, AMX's,
// count for the host's kernel only when they are written (fpu/regset.c, xstateregs_set), so that
// it refuses what it gave as too short, and the guest dies at once. So what is written is padded
// to the size of all, with those left out that nobody asked for.

#include <stdarg.h>
#include <stddef.h>

enum {
    PEEKTEXT = 1,
    PEEKUSER = 3,
    GETREGSET = 0x4204,
    SETREGSET = 0x4205,
    XSTATE = 0x202,
    // Where the bits begin that say which registers follow, and those that need no asking: x87,
    // SSE, AVX, MPX, AVX-512, PKRU.
    PRESENT = 512,
    UNASKED = 0x2ff,
};

struct part {
    void *base;
    size_t length;
};

static unsigned char all[1 << 15] __attribute__((aligned(64)));
static size_t all_length;

int *__errno_location(void);

static long raw(long request, long process, long address, long data) {
    long result;
    register long fourth __asm__("r10") = data;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"(101L), "D"(request), "S"(process), "d"(address), "r"(fourth)
                     : "rcx", "r11", "memory");
    return result;
}

static void leave_out(unsigned char *registers) {
    *(unsigned long *)(registers + PRESENT) &= UNASKED;
}

// The kernel has one thread that calls this.
static long write_registers(long process, const struct part *given) {
    for (size_t i = 0; i < all_length; i++)
        all[i] = i < given->length ? ((unsigned char *)given->base)[i] : 0;
    leave_out(all);
    struct part whole = {all, all_length};
    return raw(SETREGSET, process, XSTATE, (long)&whole);
}

static long registers(long request, long process, struct part *given) {
    if (!all_length) {
        struct part whole = {all, sizeof all};
        if (raw(GETREGSET, process, XSTATE, (long)&whole) == 0)
            all_length = whole.length;
    }
    if (request == SETREGSET && given->length < all_length)
        return write_registers(process, given);
    long result = raw(request, process, XSTATE, (long)given);
    if (request == GETREGSET && result == 0 && given->length >= PRESENT + sizeof(long))
        leave_out(given->base);
    return result;
}

long ptrace(int request, ...) {
    va_list rest;
    va_start(rest, request);
    long process = va_arg(rest, int), address = va_arg(rest, long), data = va_arg(rest, long);
    va_end(rest);
    long result, word = 0;
    if ((request == GETREGSET || request == SETREGSET) && address == XSTATE)
        result = registers(request, process, (struct part *)data);
    else if (request >= PEEKTEXT && request <= PEEKUSER)
        result = raw(request, process, address, (long)&word);
    else
        result = raw(request, process, address, data);
    *__errno_location() = result < 0 ? (int)-result : 0;
    return result < 0 ? -1 : result + word;
}
