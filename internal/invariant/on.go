//go:build invariants

package invariant

// Enabled is true in a build with the tag `invariants`: broken invariants panic and costly checks
// run.
const Enabled = true
