package config

import (
	"slices"
	"strings"
	"sync"
)

// Known describes a registered key.
type Known struct {
	Key         string
	Type        string // as shown to users: "Duration", "Enum (a, b)", ...
	Default     string // written as in a configuration file
	HasDefault  bool
	Description string
	Deprecated  []string // other spellings of Key
	NoEffect    string   // why the key changes nothing; empty where it has an effect
	Prefix      bool     // keys below Key ("Key.name") belong to it

	aliases []alias
	check   func(Entry) error // nil: every value is accepted
}

// registry is the set of known keys. It is filled while packages are initialised and read
// afterwards; the lock makes registration from tests safe.
var registry = struct {
	mu       sync.RWMutex
	byKey    map[string]Known
	byAlias  map[string][]string // alias -> keys
	prefixes []string            // keys with Prefix
	silent   map[string]Known    // prefixes below which no key has an effect
	doubles  []string
}{byKey: map[string]Known{}, byAlias: map[string][]string{}, silent: map[string]Known{}}

func register(k Known) {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	if _, taken := registry.byKey[k.Key]; taken {
		registry.doubles = append(registry.doubles, k.Key)
		return
	}
	registry.byKey[k.Key] = k
	for _, a := range k.Deprecated {
		registry.byAlias[a] = append(registry.byAlias[a], k.Key)
	}
	if k.Prefix {
		registry.prefixes = append(registry.prefixes, k.Key)
	}
}

// registerSilent registers a key, or with ".*" at its end all keys below it, without an effect.
func registerSilent(key, why string) {
	prefix, below := strings.CutSuffix(key, ".*")
	if !below {
		register(Known{Key: key, NoEffect: why})
		return
	}
	registry.mu.Lock()
	defer registry.mu.Unlock()
	if _, taken := registry.silent[prefix]; taken {
		registry.doubles = append(registry.doubles, key)
	}
	registry.silent[prefix] = Known{Key: key, NoEffect: why, Prefix: true}
}

// Doubles returns the keys that were registered more than once: mistakes in the program, since
// the second option is not checked. It must be empty.
func Doubles() []string {
	registry.mu.RLock()
	defer registry.mu.RUnlock()
	doubles := slices.Clone(registry.doubles)
	for a := range registry.byAlias {
		if _, taken := registry.byKey[a]; taken {
			doubles = append(doubles, a)
		}
	}
	slices.Sort(doubles)
	return doubles
}

// All returns every known key, sorted. Keys that end in ".*" stand for all keys below them.
func All() []Known {
	registry.mu.RLock()
	defer registry.mu.RUnlock()
	all := make([]Known, 0, len(registry.byKey)+len(registry.silent))
	for _, k := range registry.silent {
		all = append(all, k)
	}
	for _, k := range registry.byKey {
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b Known) int { return strings.Compare(a.Key, b.Key) })
	return all
}

// Find returns what is known of a key, which may be an alias or lie below a prefix such as
// "metrics.reporter". An alias of several options gives the first of them.
func Find(key string) (Known, bool) {
	registry.mu.RLock()
	defer registry.mu.RUnlock()
	if k, ok := registry.byKey[key]; ok {
		return k, true
	}
	if keys := registry.byAlias[key]; len(keys) > 0 {
		return registry.byKey[keys[0]], true
	}
	var best Known
	length := -1
	for _, p := range registry.prefixes {
		for _, name := range append([]string{p}, registry.byKey[p].Deprecated...) {
			if below(key, name) && len(name) > length {
				best, length = registry.byKey[p], len(name)
			}
		}
	}
	for p, k := range registry.silent {
		if below(key, p) && len(p) > length {
			best, length = k, len(p)
		}
	}
	return best, length >= 0
}

// below tells whether key is "prefix.name".
func below(key, prefix string) bool {
	return len(key) > len(prefix)+1 && key[len(prefix)] == '.' && key[:len(prefix)] == prefix
}

// optionsOf returns the options that read the key: one by its name, or several by an alias.
func optionsOf(key string) []Known {
	registry.mu.RLock()
	defer registry.mu.RUnlock()
	if k, ok := registry.byKey[key]; ok {
		return []Known{k}
	}
	var all []Known
	for _, k := range registry.byAlias[key] {
		all = append(all, registry.byKey[k])
	}
	return all
}

// Nearest returns the known key or alias that differs from key in the fewest letters, or "" when
// none is near enough to be meant. Of equally near ones it is the first in the alphabet.
func Nearest(key string) string {
	registry.mu.RLock()
	defer registry.mu.RUnlock()
	key = clip(key)
	best, bestDistance := "", max(3, len(key)/3)+1
	consider := func(candidate string) {
		d := editDistance(key, candidate, bestDistance)
		if d < bestDistance || d == bestDistance && best != "" && candidate < best {
			best, bestDistance = candidate, d
		}
	}
	for k := range registry.byKey {
		consider(k)
	}
	for a := range registry.byAlias {
		consider(a)
	}
	return best
}

// editDistance counts the insertions, deletions, replacements and swaps of neighbours that turn
// a into b (optimal string alignment; Damerau 1964). Distances above limit are given as limit+1.
// Letter case does not count.
func editDistance(a, b string, limit int) int {
	if d := len(a) - len(b); d > limit || -d > limit {
		return limit + 1
	}
	a, b = strings.ToLower(a), strings.ToLower(b)
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			least = min(least, row[j])
		}
		if least > limit {
			return limit + 1
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], limit+1)
}
