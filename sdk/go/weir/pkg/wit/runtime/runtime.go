// Package wit_runtime is memory that the host writes to, and handles of what it keeps.
//
// Go's collector asks the clock, which is an import, and the host may call no import while it
// asks for memory: a collection that begins then would end the plugin. So none begins by
// itself; Collect, between two calls, has one now and then.
package wit_runtime

import (
	"runtime"
	"runtime/debug"
	"unsafe"
)

// Calls between two collections.
const callsPerCollection = 256

var (
	started bool
	calls   int
	lent    runtime.Pinner
)

func init() {
	debug.SetGCPercent(-1)
	started = true
}

// Collect frees what is no longer used, at every so many calls. To be called by an export
// that has nothing to lose.
func Collect() {
	calls++
	if calls%callsPerCollection == 0 {
		runtime.GC()
	}
}

// Handle is what the host keeps for the plugin; zero once it was given away.
type Handle struct{ value int32 }

// MakeHandle takes what the host gave.
func MakeHandle(value int32) *Handle { return &Handle{value} }

// Use returns it, to be used.
func (it *Handle) Use() int32 {
	if it.value == 0 {
		panic("a handle was used after it was given away")
	}
	return it.value
}

// Take returns it, to be given away.
func (it *Handle) Take() int32 {
	value := it.Use()
	it.value = 0
	return value
}

// Set puts another in the place of one that was given away.
func (it *Handle) Set(value int32) { it.value = value }

// TakeOrNil is Take for one that may have been given away.
func (it *Handle) TakeOrNil() int32 {
	value := it.value
	it.value = 0
	return value
}

// Allocate returns memory that stays until pinner lets go of it.
func Allocate(pinner *runtime.Pinner, size, align uintptr) unsafe.Pointer {
	if size == 0 {
		return nil
	}
	// Words are aligned for everything that WIT has.
	words := make([]uint64, (size+7)/8)
	pointer := unsafe.Pointer(unsafe.SliceData(words))
	pinner.Pin(pointer)
	return pointer
}

// Unpin lets go of what the host was lent, once it is copied.
func Unpin() { lent.Unpin() }

// Before Go has started there is no heap; whoever asks then keeps what it gets.
//
//go:linkname sbrk runtime.sbrk
func sbrk(n uintptr) unsafe.Pointer

//go:wasmexport cabi_realloc
func cabiRealloc(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	if old != nil {
		panic("the host never makes larger what it has")
	}
	if started {
		return Allocate(&lent, size, align)
	}
	block := uintptr(sbrk(size + align))
	return unsafe.Pointer((block + align - 1) &^ (align - 1))
}
