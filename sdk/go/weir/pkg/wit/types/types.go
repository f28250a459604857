// Package wit_types has the types of WIT that Go lacks, under the names that the generated
// bindings expect.
package wit_types

const (
	ResultOk  = 0
	ResultErr = 1
)

// Result is either a value or an error.
type Result[T any, U any] struct {
	isErr bool
	ok    T
	err   U
}

// Ok makes a result of a value.
func Ok[T any, U any](value T) Result[T, U] { return Result[T, U]{ok: value} }

// Err makes a result of an error.
func Err[T any, U any](value U) Result[T, U] { return Result[T, U]{isErr: true, err: value} }

// Tag says which it is: ResultOk or ResultErr.
func (it Result[T, U]) Tag() uint8 {
	if it.isErr {
		return ResultErr
	}
	return ResultOk
}

// Ok returns the value of one that is ok.
func (it Result[T, U]) Ok() T {
	if it.isErr {
		panic("an error was asked for its value")
	}
	return it.ok
}

// Err returns the error of one that is not ok.
func (it Result[T, U]) Err() U {
	if !it.isErr {
		panic("a value was asked for its error")
	}
	return it.err
}

const (
	OptionNone = 0
	OptionSome = 1
)

// Option is a value, or nothing.
type Option[T any] struct {
	is    bool
	value T
}

// Some makes an option of a value.
func Some[T any](value T) Option[T] { return Option[T]{true, value} }

// None makes an option of nothing.
func None[T any]() Option[T] { return Option[T]{} }

// Tag says which it is: OptionNone or OptionSome.
func (it Option[T]) Tag() uint8 {
	if it.is {
		return OptionSome
	}
	return OptionNone
}

// Some returns the value of one that has a value.
func (it Option[T]) Some() T {
	if !it.is {
		panic("nothing was asked for its value")
	}
	return it.value
}

// Tuple2 is two values.
type Tuple2[A any, B any] struct {
	F0 A
	F1 B
}

// Tuple4 is four values.
type Tuple4[A any, B any, C any, D any] struct {
	F0 A
	F1 B
	F2 C
	F3 D
}

// Tuple8 is eight values.
type Tuple8[A any, B any, C any, D any, E any, F any, G any, H any] struct {
	F0 A
	F1 B
	F2 C
	F3 D
	F4 E
	F5 F
	F6 G
	F7 H
}

// Unit is nothing.
type Unit struct{}
