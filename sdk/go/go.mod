module plugin

go 1.25

require (
	go.bytecodealliance.org/pkg v0.4.0
	weir v0.0.0
)

replace (
	go.bytecodealliance.org/pkg => ./weir/pkg
	weir => ./weir
)
