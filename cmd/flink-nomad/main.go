// Command flink-nomad runs programs of this engine: in this process, and on clusters that it
// obtains from Nomad.
package main

import "goflink/entrypoint/cli"

func main() { cli.Main("flink-nomad", "run stream processing programs") }
