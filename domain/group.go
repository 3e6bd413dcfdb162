package domain

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
)

// Digest is the SHA-256 of a stream's bytes.
type Digest [sha256.Size]byte

// DigestOf returns the digest of data; of nothing, for a stream to which nothing was printed.
func DigestOf(data []byte) Digest { return sha256.Sum256(data) }

// String returns the digest in lower-case hex.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// Result is how a job of a batch stands, as far as servers are compared by it.
type Result struct {
	Job    JobID
	Server ServerID
	Name   string // of the server
	Outcome
}

// Outcome is what makes two finished jobs equal: how they ended, and every byte that they printed.
type Outcome struct {
	Status Status
	Reason Reason
	Exit   Exit
	Exited bool // Exit is known
	Output Offsets
	Stdout Digest
	Stderr Digest
}

// Group is the finished jobs of a batch with one outcome.
type Group struct {
	Outcome
	Results []Result // by server name; the first stands for all of them
}

// Groups are the jobs of a batch by what came of them.
type Groups struct {
	Finished   []Group  // largest first
	Unfinished []Result // queued and running, by server name
}

// GroupResults groups the jobs of a batch: the finished ones that are equal in their outcome, the others apart.
func GroupResults(results []Result) Groups {
	var g Groups
	at := map[Outcome]int{}
	for _, r := range slices.SortedFunc(slices.Values(results), byName) {
		if !r.Status.Final() {
			g.Unfinished = append(g.Unfinished, r)
			continue
		}
		i, known := at[r.Outcome]
		if !known {
			i = len(g.Finished)
			at[r.Outcome] = i
			g.Finished = append(g.Finished, Group{Outcome: r.Outcome})
		}
		g.Finished[i].Results = append(g.Finished[i].Results, r)
	}
	// The order of names that came with the results decides between groups of one size.
	slices.SortStableFunc(g.Finished, func(a, b Group) int { return cmp.Compare(len(b.Results), len(a.Results)) })
	return g
}

func byName(a, b Result) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Job, b.Job)) }
