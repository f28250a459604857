// Package export_weir_plugin_weighing is what the bindings call, for package weigher to set.
package export_weir_plugin_weighing

import (
	"weir/imports/weir_plugin_weighing"

	types "go.bytecodealliance.org/pkg/wit/types"
)

// Weigh weighs one service.
var Weigh func(weir_plugin_weighing.Input) types.Result[weir_plugin_weighing.Output, string]
