// Package leader decides which JobManager of a cluster leads, and keeps what outlives a leader:
// jobs, pointers to their completed checkpoints, and results. All that it needs is a file system
// behind core/filesystem.
//
//	<high-availability.storageDir>/<cluster id>/epochs/
//	    claim-7                who made this file, by exclusive create, has epoch 7
//	    epoch-6-1f….sealed/    of a predecessor; nobody can put anything into it any more
//	    epoch-7-9c…/           of the leader: address, alive-<n> (sign of life) and its records
//	        cluster  job-<id>  checkpoint-<id>-<n>  result-<id>  ended
//
// An [Elector] waits until it may lead and takes over; a [Leadership] is one term, with a [Store]
// for its records; a [Finder] tells workers and clients where the leader is.
//
// # Why a deposed leader can do no harm
//
// Whoever takes over claims the next epoch, makes a folder of its own and looks whether a higher
// epoch is claimed; if so it gives up. Then it seals the folders of all lower epochs by renaming
// them, and only then reads. So of two candidates the lower one either sees the claim of the higher
// one, or has made its folder early enough to be sealed by it.
//
// A leader changes nothing outside of its own folder. What it inherits it moves there, file by
// file, by renames that fail once it is sealed itself; so every record is at every moment in
// exactly one place, and a crash loses nothing. Records are written under another name, synced,
// closed and renamed, and nothing ever makes the folder again: after the sealing every create,
// rename and remove of the old leader fails, wherever it was paused, and it learns from the
// failure ([ErrDeposed]). Folders have a random part in their names, so that this holds also when a
// cluster has ended and another one uses its id.
//
// The file "cluster" is made by the first leader and goes the same way, until a leader cleans up: a
// candidate that has met the cluster before and does not find that file knows that it has ended.
//
// The sign of life decides only when a standby tries to take over. It may be wrong about that: two
// that believe in themselves are told apart by their epochs.
package leader
