package main

// The texts of --help. They are written by hand: a person reads them in order.

const globalUsage = `
Options of every command:
  --server URL      server to talk to; a path in it is kept
                    [default HASHD_SERVER, or else http://127.0.0.1:8080]
  --api-key-file F  file that holds the API key, which only its owner can read; it is read for each
                    request, and can be replaced meanwhile
                    [default HASHD_API_KEY_FILE, or else HASHD_API_KEY holds the key itself]
  --ca F            trust the certificates in F alone, in place of the system's
  --cert F --key F  show this certificate, with its private key
  --json            print results as JSON; errors as JSON problems on standard error
  --retry-for D     how long to try again when the network fails or the server refuses for now,
                    like 500ms, 10s or 1h; the last try is at its end; 0 tries until it succeeds
                    [default 10s]

Exit codes:
  0    done
  1    failed: the server refused or can't be reached, or a file can't be read or written
  2    bad command line, or a secret or line that is refused
  3    not done yet: a pending job, or a wait that timed out
  4    the job is gone (canceled, erased, or past its retention), or no job has this id
  5    a bulk came to its end, but some of its lines have no hash
  130  interrupted: by Ctrl-C, a request to end, or a terminal that is closed`

const usage = `hashctl submits secrets to a hashd server and collects their hashes.

Usage:
  hashctl submit [--file F] [--wait]    submit a secret, from a prompt, standard input or a file
  hashctl get ID|FIRST-LAST             print a job's hash, or what has become of a range of jobs
  hashctl wait ID|FIRST-LAST            wait for a job's hash, or for those of a range
  hashctl cancel ID...|FIRST-LAST       cancel jobs, or erase their hashes
  hashctl bulk FILE [--output F]        submit each line of a file and collect the hashes
  hashctl tail [--state F]              follow the hashes as they are done
  hashctl stats                         print the server's counters
  hashctl status                        print what runs at the server
  hashctl version, hashctl --version    print the version of this program
  hashctl completion SHELL              print completions for bash, zsh, fish or powershell

'hashctl COMMAND --help' tells more about a command.
` + globalUsage

const submitUsage = `Submit a secret, and print its job's id.

Usage:
  hashctl submit [--file F] [--raw] [--algorithm A] [--wait [--timeout D]]
                 [--idempotency-key K]

If standard input is a terminal, hashctl asks for the secret without showing it; otherwise it reads
standard input. The secret is all of the input except one newline (LF or CRLF) at its end: 1 to
1,024 characters of UTF-8. It is never taken from the command line, which others can see.

Characters that an editor, a terminal or a conversion may have put in are refused, for they would
change the hash: a byte order mark, control characters except tab and LF, and U+FFFD.

Options:
  --file F             read the secret from F; - is standard input
  --raw                the secret is every byte of the input, the newline at its end too
  --algorithm A        sha512, sha256 or sha3-512 [default: the server's, sha512]
  --wait               wait for the hash and print that instead of the id
  --timeout D          give up waiting after D; 0 is never [default 0]
  --idempotency-key K  submitting again with the same key and secret makes no second job;
                       1 to 255 visible ASCII characters
` + globalUsage

const getUsage = `Print a job's hash. A pending job has none yet: the exit code is 3.

Usage:
  hashctl get ID
  hashctl get FIRST-LAST

A range prints a line for each id: id, status and hash, as CSV, or with --json as JSON objects.
The status is done, pending, gone or unknown. The exit code is 4 if a job is gone or unknown, and
else 3 if one is pending.
` + globalUsage

const waitUsage = `Wait until a job is done, and print its hash.

Usage:
  hashctl wait ID [--timeout D]
  hashctl wait FIRST-LAST [--timeout D]

A range waits for each of the jobs, and prints lines like those of get, in the order of the ids. After
the timeout it prints the others as they are; the exit code is that of get.

Options:
  --timeout D  give up after D, with exit code 3 if a job is pending; 0 is never [default 0]
` + globalUsage

const cancelUsage = `Cancel pending jobs, whose secrets are wiped and never hashed, or erase the hashes of done ones.

Usage:
  hashctl cancel ID...
  hashctl cancel FIRST-LAST

Nothing is printed for a job that was canceled or erased. If some jobs are gone or unknown, the
others are canceled nevertheless; the exit code is then 4. With --json, FIRST-LAST prints how many
jobs were canceled, erased, gone and unknown.
` + globalUsage

const bulkUsage = `Submit each line of a file, and write a record for each: line, id, status and hash, never the
secret. Records are in the order of the lines.

Usage:
  hashctl bulk FILE [--output F] [--format csv|ndjson] [--raw] [--algorithm A] [--no-wait]
                    [--batch N] [--in-flight N]

FILE has one secret per line, each 1 to 1,024 characters of UTF-8; - is standard input. Lines end
with LF or CRLF. A file is checked whole before its first line is submitted; a pipe is checked as
it is read, a batch at a time. Empty lines are refused, and lines that submit would refuse: an error
tells how many there are, and shows the first 20 of them.

With --output a bulk that was interrupted, killed or failed can go on: the same command continues
where it stopped, and in the end there is exactly one record per line. F.state notes how far it has
come; it holds no secret and is removed at the end. The input and the options must be the same.

The status of a record is done, gone (canceled, erased, or past its retention), unknown (the
server has no such job), or pending with --no-wait. If some lines have no hash, the exit code
is 5. If the server refuses for now or can't be reached any more, the bulk waits and tries again.

Options:
  --output F     file for the records; it must be new or of the same bulk [default: standard output]
  --format F     csv, with a header, or ndjson, one JSON object a line [default csv; ndjson with --json]
  --raw          lines end with LF alone; all their other bytes belong to the secrets
  --algorithm A  sha512, sha256 or sha3-512 [default: the server's, sha512]
  --no-wait      don't wait for the hashes; the records have the ids
  --batch N      submit up to N lines at once, 1 to 10000 [default 10000, or as many as the server takes]
  --in-flight N  have up to N batches under way, 1 to 1000; each takes about 1 MB of memory while it
                 waits, and up to 3.5 MB at its peak [default 128]
  --retry-for D  here the default is 0: until it succeeds
` + globalUsage

const tailUsage = `Print the hashes of all jobs as they are done, whoever submitted them, in the order of their ids:
id, status and hash, as CSV, or with --json as JSON objects. Jobs that are gone are passed over. A
job that is pending holds up those behind it.

Usage:
  hashctl tail [--after ID | --state F] [--once]

It ends by a signal, or when the server has another store than before: its ids begin anew then, and
the exit code is 1. With --state a tail that has ended goes on where it stopped, and misses no hash
that is still there; after a crash it may print the last few once more.

Options:
  --after ID     begin with the hashes above ID [default 0: with the oldest that is there]
  --state F      note in F how far the output has come, and go on from there
  --once         end where nothing more is done, with exit code 0
  --retry-for D  here the default is 0: until it succeeds
` + globalUsage

const statsUsage = `Print the server's counters since its start, those of the last minute, and how
much of each limit is used.

Usage:
  hashctl stats
` + globalUsage

const statusUsage = `Print what runs at the server, since when, and whether it is ok or draining.

Usage:
  hashctl status
` + globalUsage

const versionUsage = `Print the version of hashctl. 'hashctl status' prints the server's.

Usage:
  hashctl version
` + globalUsage
