package domibus

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"oncegate/connectors/edelivery/pmode"
)

// Bounds of what a file may ask for.
const (
	maxMinutes  = 60 * 24 * 365
	maxAttempts = 100
)

// parseRetry reads the notation of Domibus: "minutes;times;CONSTANT" spreads the
// attempts after the first evenly over the minutes, "0;0;SEND_ONCE" has none, and
// "minutes;first;factor;PROGRESSIVE" lets the pause grow (c.1).
func parseRetry(s string) (pmode.Retry, error) {
	once := pmode.Retry{Attempts: 1}
	if s == "" {
		return once, nil
	}
	words := strings.Split(s, ";")
	numbers := make([]int, 0, 3)
	for _, w := range words[:len(words)-1] {
		v, err := strconv.Atoi(strings.TrimSpace(w))
		if err != nil || v < 0 || v > maxMinutes {
			return once, errors.New("not a number of minutes or times")
		}
		numbers = append(numbers, v)
	}
	minute := func(v float64) time.Duration { return time.Duration(v * float64(time.Minute)) }
	switch strategy := strings.TrimSpace(words[len(words)-1]); {
	case strategy == "SEND_ONCE" && len(numbers) == 2:
		return once, nil
	case strategy == "CONSTANT" && len(numbers) == 2:
		timeout, times := numbers[0], numbers[1]
		if times == 0 && timeout > 0 {
			return once, errors.New("minutes without attempts")
		}
		if times == 0 {
			return once, nil
		}
		if times >= maxAttempts {
			return once, fmt.Errorf("more than %d attempts", maxAttempts)
		}
		pause := max(minute(float64(timeout)/float64(times)), time.Second)
		return pmode.Retry{Attempts: times + 1, Initial: pause, Factor: 1, Max: pause, Jitter: -1}, nil
	case strategy == "PROGRESSIVE" && len(numbers) == 3:
		timeout, first, factor := numbers[0], numbers[1], numbers[2]
		if first < 1 || first >= timeout || factor <= 1 {
			return once, errors.New("first pause is not below the minutes, or factor not above 1")
		}
		r := pmode.Retry{Attempts: 1, Initial: minute(float64(first)), Factor: float64(factor), Max: minute(float64(timeout)), Jitter: -1, Expiry: minute(float64(timeout))}
		for sum, pause := first, first; sum <= timeout && r.Attempts < maxAttempts; sum += pause {
			r.Attempts++
			pause *= factor
		}
		return r, nil
	}
	return once, errors.New("strategy is not CONSTANT, PROGRESSIVE or SEND_ONCE with its numbers")
}

// formatRetry writes a retry in the notation of Domibus, which counts in minutes,
// and says what it cannot carry.
func formatRetry(r pmode.Retry) (s, lost string) {
	if r.Attempts <= 1 {
		return "0;0;SEND_ONCE", ""
	}
	whole := func(d time.Duration) int { return max(int(math.Ceil(d.Minutes())), 1) }
	if r.Factor == 1 {
		total := time.Duration(r.Attempts-1) * r.Initial
		if total%time.Minute != 0 {
			lost = fmt.Sprintf("attempts go on for %s, Domibus counts in minutes", total)
		}
		return fmt.Sprintf("%d;%d;CONSTANT", whole(total), r.Attempts-1), lost
	}
	factor := max(int(math.Round(r.Factor)), 2)
	first, timeout := whole(r.Initial), whole(r.Expiry)
	if r.Expiry == 0 {
		var sum time.Duration
		for n := 1; n < r.Attempts; n++ {
			sum += r.Pause(n)
		}
		timeout = whole(sum)
	}
	timeout = max(timeout, first+1)
	s = fmt.Sprintf("%d;%d;%d;PROGRESSIVE", timeout, first, factor)
	if again, err := parseRetry(s); err != nil || again != r {
		lost = "pauses and attempts are not the same in Domibus, which counts in minutes"
	}
	return s, lost
}
