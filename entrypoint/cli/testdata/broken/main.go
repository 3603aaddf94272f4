// Command broken holds programs that go wrong, for the tests of the command line.
package main

import (
	"errors"
	"os"
	"sync"

	"goflink/datastream"
	"goflink/entrypoint"
)

func main() {
	entrypoint.Main(entrypoint.Programs{
		"panics": panics, "exits": exits, "silent": silent, "fails": fails, "crashes": crashes,
		"once": once,
	})
}

func panics(env *datastream.Environment, _ []string) error {
	datastream.Map(datastream.FromSequence(env, 0, 3), divide).Print()
	_, err := env.Execute("panics")
	return err
}

var zero int64

func divide(n int64) int64 { return n / zero }

func exits(*datastream.Environment, []string) error {
	os.Exit(0)
	return nil
}

func silent(env *datastream.Environment, _ []string) error {
	datastream.FromSequence(env, 0, 3).Print()
	return nil
}

func fails(*datastream.Environment, []string) error { return errors.New("the program's own error") }

// crashes writes a map in two goroutines of its own, which Go cannot recover from.
func crashes(env *datastream.Environment, _ []string) error {
	datastream.Map(datastream.FromSequence(env, 0, 3), func(n int64) int64 {
		m := map[int]int{}
		var wg sync.WaitGroup
		for range 8 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for i := range 1_000_000 {
					m[i&7] = i
				}
			}()
		}
		wg.Wait()
		return n
	}).Print()
	_, err := env.Execute("crashes")
	return err
}

// once runs two jobs, one after the other.
func once(env *datastream.Environment, _ []string) error {
	for _, name := range []string{"first", "second"} {
		datastream.FromSequence(env, 1, 1).PrintAs(name)
		if _, err := env.Execute(name); err != nil {
			return err
		}
	}
	return nil
}
