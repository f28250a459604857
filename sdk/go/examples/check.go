// A server says by HTTP how it is: what it answers decides whether it gets connections, or fewer.
package main

import (
	"fmt"

	"weir/checker"
)

func init() {
	checker.OnCheck = func(target checker.Target) (checker.Outcome, error) {
		// What is asked for.
		settings := struct{ Path string }{Path: "/ready"}
		if err := checker.Settings(target, &settings); err != nil {
			return checker.Outcome{}, err
		}
		answer, err := checker.Get(settings.Path)
		switch {
		case err != nil:
			return checker.Outcome{}, err
		case answer.Status >= 200 && answer.Status < 300:
			return checker.Pass(), nil
		case answer.Status == 429:
			return checker.Degraded(50, "it says that it is busy"), nil
		default:
			return checker.Fail(fmt.Sprintf("status %d", answer.Status)), nil
		}
	}
}

func main() {}
