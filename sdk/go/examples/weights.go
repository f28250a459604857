// Gives a real server that has more connections open fewer new ones.
package main

import "weir/weigher"

func init() {
	weigher.OnWeigh = func(service weigher.Service) (weigher.Output, error) {
		var total, weights uint64
		for _, it := range service.Candidates {
			total += opened(it)
			weights += uint64(it.Unweighed)
		}
		var scales []uint32
		for _, it := range service.Candidates {
			scales = append(scales, scale(it, total*uint64(it.Unweighed), weights*opened(it)))
		}
		return weigher.Output{Scales: scales}, nil
	}
}

// Ten more than there are: below that, differences are chance.
func opened(it weigher.Candidate) uint64 { return uint64(it.Server.Active) + 10 }

// Three tenths of the way from the present scale to the one that is fair by the weight that it
// has without this: in small steps, for new connections follow late.
func scale(it weigher.Candidate, fair, found uint64) uint32 {
	target := clamp(1000 * fair / max(found, 1))
	now := uint64(1000)
	if weight := uint64(it.Server.Config.Weight); weight > 0 {
		now = clamp(1000 * weight / max(uint64(it.Unweighed), 1))
	}
	return uint32((7*now + 3*target) / 10)
}

func clamp(thousandths uint64) uint64 { return min(max(thousandths, 500), 1500) }

func main() {}
