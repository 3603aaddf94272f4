// Command flink-yarn runs programs of this engine: in this process, and on clusters that it obtains
// from YARN.
package main

import "goflink/entrypoint/cli"

func main() { cli.Main("flink-yarn", "run stream processing programs") }
