package config

import (
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	for _, c := range []struct {
		in   string
		want time.Duration
	}{
		{"10 s", 10 * time.Second},
		{"10s", 10 * time.Second},
		{" 5min ", 5 * time.Minute},
		{"500 ms", 500 * time.Millisecond},
		{"1 h", time.Hour},
		{"1 d", 24 * time.Hour},
		{"2 days", 48 * time.Hour},
		{"1 Hour", time.Hour},
		{"3 MINUTES", 3 * time.Minute},
		{"7 m", 7 * time.Minute},
		{"4 sec", 4 * time.Second},
		{"12 us", 12 * time.Microsecond},
		{"12 µs", 12 * time.Microsecond},
		{"12 μs", 12 * time.Microsecond},
		{"9 nanos", 9},
		{"10000", 10 * time.Second},
		{"0", 0},
		{"1m30s", 90 * time.Second},
		{"1.5h", 90 * time.Minute},
		{"1h0m1ms", time.Hour + time.Millisecond},
		{"9223372036854775807", Forever},
		{"9223372036854775807 ms", Forever},
		{"106752 d", Forever},
		{"9223372036854775807 ns", Forever},
	} {
		got, err := ParseDuration(c.in)
		if err != nil || got != c.want {
			t.Errorf("%q read as %v, %v; want %v", c.in, got, err, c.want)
		}
	}
	for _, in := range []string{"", " ", "s", "ms 5", "-1", "-1 s", "5 parsecs", "1,5 s", "1 s 2",
		"9223372036854775808", "1e3", "+5", "1m-30s", "0x10", "1..5h", "5 months", "PT10S"} {
		if got, err := ParseDuration(in); err == nil {
			t.Errorf("%q read as %v", in, got)
		}
	}
	if got, err := ParseDurationIn("3600", time.Second); err != nil || got != time.Hour {
		t.Errorf("3600 in seconds read as %v, %v", got, err)
	}
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 ms", 1: "1 ns", 1500: "1500 ns", 2 * time.Microsecond: "2 us",
		200 * time.Millisecond: "200 ms", 10 * time.Second: "10 s", 90 * time.Second: "90 s",
		10 * time.Minute: "10 min", 2 * time.Hour: "2 h", 48 * time.Hour: "2 d",
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("%d written as %q, want %q", d, got, want)
		}
	}
}

func TestParseMemory(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Memory
	}{
		{"32kb", 32 << 10}, {"1728m", 1728 << 20}, {"1 gb", 1 << 30}, {"20 kib", 20 << 10},
		{"5", 5}, {"0", 0}, {" 7 BYTES ", 7}, {"1 b", 1}, {"2 T", 2 << 40}, {"3 MiB", 3 << 20},
		{"4 kibibytes", 4 << 10}, {"1g", 1 << 30}, {"10485760b", 10 << 20},
		{"9223372036854775807", math.MaxInt64}, {"8388607t", 8388607 << 40},
	} {
		got, err := ParseMemory(c.in)
		if err != nil || got != c.want {
			t.Errorf("%q read as %d, %v; want %d", c.in, got, err, c.want)
		}
	}
	for _, in := range []string{"", "m", "-1", "1.5g", "17 zb", "1 gb 2", "9223372036854775808",
		"8388608t", "9007199254740992 kb", "1e3", "0x10m"} {
		if got, err := ParseMemory(in); err == nil {
			t.Errorf("%q read as %d", in, got)
		}
	}
	if got, err := ParseMemoryIn("1024", Mebibyte); err != nil || got != Gibibyte {
		t.Errorf("1024 in MiB read as %v, %v", got, err)
	}
	for m, want := range map[Memory]string{
		0: "0", 1: "1b", 1023: "1023b", 32 << 10: "32kb", 1728 << 20: "1728mb", 1 << 30: "1gb",
		5 << 40: "5tb", math.MaxInt64: "9223372036854775807b",
	} {
		if got := m.String(); got != want {
			t.Errorf("%d written as %q, want %q", m, got, want)
		}
	}
}

func TestParseBoolIntFloat(t *testing.T) {
	for in, want := range map[string]bool{"true": true, " TRUE ": true, "False": false} {
		if got, err := ParseBool(in); err != nil || got != want {
			t.Errorf("%q read as %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "yes", "on", "1", "truee", "t"} {
		if got, err := ParseBool(in); err == nil {
			t.Errorf("%q read as %v", in, got)
		}
	}
	for in, want := range map[string]int64{
		"4": 4, " -1 ": -1, "9223372036854775807": math.MaxInt64,
	} {
		if got, err := ParseInt(in); err != nil || got != want {
			t.Errorf("%q read as %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "4.0", "1_000", "0x1", "four", "9223372036854775808", "4 s"} {
		if got, err := ParseInt(in); err == nil {
			t.Errorf("%q read as %v", in, got)
		}
	}
	for in, want := range map[string]float64{"0.4": 0.4, "1": 1, " 1e-3 ": 0.001} {
		if got, err := ParseFloat(in); err != nil || got != want {
			t.Errorf("%q read as %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "NaN", "inf", "-Infinity", "0,4", "40%", "1e999"} {
		if got, err := ParseFloat(in); err == nil {
			t.Errorf("%q read as %v", in, got)
		}
	}
}

func TestParseList(t *testing.T) {
	for in, want := range map[string][]string{
		"":                    {},
		"a":                   {"a"},
		"a;b ; c":             {"a", "b", "c"},
		";a;;b;":              {"a", "b"},
		"'a;b';c":             {"a;b", "c"},
		`"it's";'say "x"'`:    {"it's", `say "x"`},
		"'it''s';x":           {"it's", "x"},
		"a'b;c":               {"a'b", "c"},
		"[a, b]":              {"a", "b"},
		"['a;b', c]":          {"a;b", "c"},
		"[a];[b]":             {"[a]", "[b]"},
		"hdfs:///a;hdfs:///b": {"hdfs:///a", "hdfs:///b"},
		"name:f,path:'file:///tmp/f';name:g,path:'file:///tmp/g'": {
			"name:f,path:'file:///tmp/f'", "name:g,path:'file:///tmp/g'"},
	} {
		got, err := ParseList(in)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q read as %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"'a", "'a'b;c", `a;"b`, strings.Repeat("a;", MaxListLength+1)} {
		if got, err := ParseList(in); err == nil {
			t.Errorf("%.20q read as %.20q", in, got)
		}
	}
}

func TestParseMap(t *testing.T) {
	for in, want := range map[string]map[string]string{
		"":                                   {},
		"a:1":                                {"a": "1"},
		"a:1, b : 2 ,":                       {"a": "1", "b": "2"},
		"url:hdfs://h:8020/x":                {"url": "hdfs://h:8020/x"},
		"'a:1,2',b:3":                        {"a": "1,2", "b": "3"},
		"{a: 1, b: x}":                       {"a": "1", "b": "x"},
		"OPERATOR:70,STATE_BACKEND:70":       {"OPERATOR": "70", "STATE_BACKEND": "70"},
		"a:":                                 {"a": ""},
		"0a448493b4782967b150582570326227:4": {"0a448493b4782967b150582570326227": "4"},
	} {
		got, err := ParseMap(in)
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%q read as %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"a", ":1", "a:1,a:2", "'a:1", "a=1"} {
		if got, err := ParseMap(in); err == nil {
			t.Errorf("%q read as %q", in, got)
		}
	}
}

// hasColon tells whether a name of the map holds a colon.
func hasColon(m map[string]string) bool {
	for name := range m {
		if strings.Contains(name, ":") {
			return true
		}
	}
	return false
}

// FuzzValues: no text may make a parser fail, and what a parser accepted is the same after it was
// written and read again.
func FuzzValues(f *testing.F) {
	for _, s := range []string{"10 s", "1m30s", "1728m", "20 kib", "-1", "'a;b';c", "[a, 'b;c']",
		"a:1,b:2", "{a: 1}", "[[a]]", "{'", "\x00;\xff", "0.1", "true", "9223372036854775807t"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := ParseDuration(s); err == nil {
			if back, err := ParseDuration(FormatDuration(d)); err != nil || back != d || d < 0 {
				t.Errorf("%q: %v came back as %v, %v", s, d, back, err)
			}
		}
		if m, err := ParseMemory(s); err == nil {
			if back, err := ParseMemory(m.String()); err != nil || back != m || m < 0 {
				t.Errorf("%q: %d came back as %d, %v", s, m, back, err)
			}
		}
		if l, err := ParseList(s); err == nil {
			back, err := ParseList(FormatList(l))
			l = slices.DeleteFunc(l, func(e string) bool { return e == "" })
			if err != nil || !slices.Equal(l, back) {
				t.Errorf("%q: %q came back as %q, %v", s, l, back, err)
			}
		}
		if m, err := ParseMap(s); err == nil && !hasColon(m) {
			back, err := ParseMap(FormatMap(m))
			if err != nil || !maps.Equal(m, back) {
				t.Errorf("%q: %q came back as %q, %v", s, m, back, err)
			}
		}
		if v, err := ParseFloat(s); err == nil && (math.IsNaN(v) || math.IsInf(v, 0)) {
			t.Errorf("%q read as %v", s, v)
		}
	})
}
