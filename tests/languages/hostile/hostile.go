// Does on each event what its settings say, and should not be done.
package main

import (
	"errors"
	"strings"

	"weir/policy"
)

var does string

func init() {
	policy.OnInit = func(config string) error {
		does = config
		if strings.Contains(config, "init") {
			panic("not today")
		}
		return nil
	}
	policy.OnHealth = func(change policy.HealthChange) error {
		switch {
		case strings.Contains(does, "loop"):
			for {
			}
		case strings.Contains(does, "recurse"):
			descend(0)
		case strings.Contains(does, "grow"):
			for held := []byte{1}; ; held = append(held, held...) {
			}
		case strings.Contains(does, "trap"):
			var none *policy.HealthChange
			_ = none.Detail
		}
		return errors.New("nothing is right in " + policy.Labels(change.Server)["zone"])
	}
}

func descend(depth int) int {
	return descend(depth+1) + 1
}

func main() {}
