// Package sshexec runs attempts on servers over SSH. It knows the domain, the ports and golang.org/x/crypto/ssh; it must
// not know jobs' states, storage or queues.
//
// # The run directory
//
// A command runs in ~/.remora/run/<attempt>/ on its server and outlives connection and worker. Constant POSIX shell texts
// (the folder scripts) do the work, nothing is installed; their only arguments are attempt ids, byte counts and other
// constant texts. The command itself travels on stdin. In the directory:
//
//	cmd      the command as shell code; its last line is run, or takes the place of the shell, in a session of its own
//	script   the text of a script, byte for byte
//	verdict  made once, exclusively: a file says go, a symbolic link says void (the attempt will never be started)
//	sup      boot id, pid and start time of the supervisor; written before the start
//	pid      pid and start time of the job's first process, the leader of its session
//	out err  the streams
//	sig      not empty when the supervising shell reported a signal
//	exit     "<code> exit|signal|nostart ." by one write; the dot makes it whole
//
// mkdir decides which of several launchers goes on; verdict decides between them and whoever wants to declare the attempt
// never started. Removal leaves a file in ~/.remora/gone for a day, so that a launcher that was stuck on its way for hours
// finds its attempt over.
//
// # What goes over a channel
//
// Every text gets a random token as its name. It prints the token on stderr before anything else and heads its stdout
// with one line, "<token> <word> <facts>"; what a login shell printed before is skipped. What follows the heading is the
// streams of the job, raw, each on its own:
//
//	done boot pid code how   the job has ended; the rest of both files follows, complete if the channel's exit status is 0
//	run boot pid             the job runs; both files follow as they grow. The end of the channel says only: ask again
//	lost boot pid now        no supervisor, no process and no exit; the rest of both files follows
//
// and others without streams: have, void, gone, torn, nowrite, nohome, nosetsid, nostart. The exit of a job is never read
// from the channel's exit status, so that no death of anything on the way can be mistaken for it (but in attached mode,
// which has nothing else).
//
// The launching channel waits for the end. A job that ends soon is printed whole. When the client has heard nothing for
// a moment, it writes a line, and a follower prints the files with tail -f from then on; when the job ends, the
// follower is ended and the client asks for the rest from the offsets it has. A worker that attaches does only that.
//
// # Exit codes and signals
//
// A POSIX shell shows a child's death by signal n as 128+n, and "exit 143" the same. The supervisor tells them apart: the
// job runs in its foreground, and a shell reports there, on its own stderr, every signal but INT and PIPE. So exit 143 is
// code 143 without a signal, and kill -9 is code 137 with signal KILL; a job that dies of INT or PIPE is code 130 or 141
// without a signal.
package sshexec
