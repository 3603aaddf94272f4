// Package config holds the typed options of the engine and the configuration that sets them.
//
// An [Option] names a key, its type, its default and what it does. Every option made by one of
// the constructors ([String], [Int], [Bool], [Float], [Duration], [MemorySize], [Enum], [List],
// [Map]) enters one registry, so that a misspelt key is found and the reference page is written
// from the same source ([Reference]). The keys and defaults are those of Apache Flink 1.12 to
// 2.x; where a key was renamed, the older and newer spellings are accepted as aliases.
//
// A [Configuration] is an ordered set of keys with their raw values, and remembers where each
// value came from: a line of a file, a -D argument, the environment, the program. Each error
// names that place.
//
//	c, err := config.Load("conf/config.yaml", data)   // or flink-conf.yaml
//	d, err := config.ParseDynamic([]string{"-Dparallelism.default=4"})
//	c.Merge(d)                                        // what is merged later wins
//	if err := c.Validate(); err != nil { ... }
//	p, err := config.Get(c, config.ParallelismDefault)
//
// The package does no I/O and starts no goroutine: callers read the files.
package config
