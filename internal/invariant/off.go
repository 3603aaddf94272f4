//go:build !invariants

package invariant

// Enabled is false in the production build: broken invariants are errors, costly checks are left
// out.
const Enabled = false
