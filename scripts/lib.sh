# shellcheck shell=bash
#
# What the scripts here share.  To be sourced, in the root of the project.
#
# Servers do not run as root: called by root, they run as CDR_USER (default:
# who called sudo, else postgres); called by anybody else, as that user.

# PostgreSQL's test framework takes LC_ALL out of the environment again.
export LC_ALL=C.UTF-8 LANG=C.UTF-8

# No setting of the caller's may lead to another server.
for name in "${!PG@}"; do
	[ "$name" = PG_CONFIG ] || unset "$name"
done
unset name
# Nor hide in which order others see what programs print.
unset PYTHONUNBUFFERED

if [ "$(id -u)" -ne 0 ]; then
	CDR_USER=$(id -un)
elif [ -z "${CDR_USER:-}" ]; then
	CDR_USER=${SUDO_USER:-postgres}
	[ "$CDR_USER" != root ] || CDR_USER=postgres
fi
export CDR_USER

die()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# Runs a command as root: only to install something.
as_root()
{
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "needs root, or sudo, for: $*"
	fi
}

# Runs a command as the user that servers run as.
as_server()
{
	if [ "$(id -u)" -eq 0 ]; then
		setpriv --reuid="$CDR_USER" --regid="$(id -g "$CDR_USER")" \
			--init-groups env HOME=/nonexistent "$@"
	else
		"$@"
	fi
}

# run_job SECONDS LOG COMMAND...: runs a command in a process group of its own,
# whose number stands in job meanwhile, with its output in LOG, and ends it
# after so many seconds.  Sets job_status; its own status says nothing, for
# "set -e" has no effect in a command whose status is asked for.
job=
# shellcheck disable=SC2034
run_job()
{
	local began=$SECONDS deadline=$((SECONDS + $1)) seconds=$1 log=$2 pause=0.05

	shift 2
	job_status=0
	set -m
	(
		set -e
		"$@"
	) >"$log" 2>&1 </dev/null &
	job=$!
	set +m
	# what takes long is not asked all the time: that takes from it
	while kill -0 $job 2>/dev/null && [ $SECONDS -lt $deadline ]; do
		[ $((SECONDS - began)) -lt 3 ] || pause=0.5
		sleep $pause
	done
	if kill -0 $job 2>/dev/null; then
		end_job
		echo "ended after $seconds seconds" >>"$log"
		job_status=124
	else
		wait $job || job_status=$?
	fi
	job=
}

# Ends a job that is under way, with all that it started.
end_job()
{
	kill -TERM -- -"$job" 2>/dev/null || return 0
	wait_until 20 no_job || kill -KILL -- -"$job" 2>/dev/null || true
	wait "$job" 2>/dev/null || true
}

no_job()
{
	! kill -0 -- -"$job" 2>/dev/null
}

# Makes a directory that the servers may write and that their user, and root,
# alone can enter.  The project may lie where that user cannot go; and the
# path of a socket must be short.
make_server_dir()
{
	local dir

	dir=$(mktemp -d -p /var/tmp --suffix="-$1")
	[ "$(id -u)" -ne 0 ] || chown "$CDR_USER:" "$dir"
	printf '%s\n' "$dir"
}

# Major versions of PostgreSQL installed here that the extension supports and
# can be built for, the newest first.
pg_versions()
{
	local version

	for version in 18 17 16 15; do
		if [ -x "/usr/lib/postgresql/$version/bin/postgres" ] &&
			[ -e "/usr/lib/postgresql/$version/lib/pgxs/src/makefiles/pgxs.mk" ]; then
			echo "$version"
		fi
	done
}

# Sets PG_CONFIG, unless the caller has, and PG_BINDIR.
find_pg_config()
{
	local version

	if [ -z "${PG_CONFIG:-}" ]; then
		version=$(pg_versions | head -n 1)
		[ -n "$version" ] ||
			die 'no PostgreSQL 15 to 18 with its development files (or set PG_CONFIG)'
		PG_CONFIG=/usr/lib/postgresql/$version/bin/pg_config
	fi
	PG_BINDIR=$("$PG_CONFIG" --bindir) || die "cannot run $PG_CONFIG"
	export PG_CONFIG PG_BINDIR
}

# A free port below those that the kernel gives to outgoing connections.
free_port()
{
	local port

	for _ in {1..100}; do
		port=$((10000 + RANDOM % 22000))
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || {
			echo "$port"
			return
		}
	done
	die 'no free port found'
}

# wait_until SECONDS COMMAND...: false if the command still fails by then.
wait_until()
{
	local deadline=$((SECONDS + $1))

	shift
	until "$@"; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.1
	done
}

# make_cluster DIR PORT: a PostgreSQL cluster in DIR/data that listens on a
# socket in DIR only; further settings come from standard input.  (In a
# subshell: nothing may run where the servers' user cannot go.)
make_cluster()
(
	cd "$1" || exit 1
	as_server "$PG_BINDIR/initdb" -D "$1/data" -U postgres --auth=trust \
		--encoding=UTF8 --locale=C.UTF-8 --no-sync --no-instructions
	{
		printf '%s\n' "listen_addresses = ''" \
			"unix_socket_directories = '$1'" "port = $2"
		cat
	} | as_server tee -a "$1/data/postgresql.conf" >/dev/null
)

start_cluster()
(
	cd "$1" || exit 1
	as_server "$PG_BINDIR/pg_ctl" -D "$1/data" -l "$1/postgresql.log" \
		-w -t 60 start
)

# stop_cluster DIR [MODE]
stop_cluster()
(
	cd "$1" || exit 1
	as_server "$PG_BINDIR/pg_ctl" -D "$1/data" -m "${2:-fast}" -w -t 60 stop
)

# end_servers DIR: none of the servers that tests have put under DIR is to
# outlive them.
end_servers()
{
	local file

	while IFS= read -r file; do
		as_server kill -QUIT "$(head -n 1 "$file")" || true
	done < <(find "$1" -name postmaster.pid)
	while IFS= read -r file; do
		scripts/broker stop "$(dirname "$file")" || true
	done < <(find "$1" -name node.pid)
}

# private_postgresql DIR: a copy of the PostgreSQL chosen, below DIR, where an
# extension can be installed that nobody else is to meet.  Prints its prefix.
# (PostgreSQL finds its files from where its programs are.)
private_postgresql()
{
	local path

	for path in "$PG_BINDIR" "$("$PG_CONFIG" --pkglibdir)" \
		"$("$PG_CONFIG" --sharedir)"; do
		mkdir -p "$1$(dirname "$path")"
		[ -e "$1$path" ] || cp -a "$path" "$1$path"
	done
	printf '%s\n' "$1$(dirname "$PG_BINDIR")"
}

# Git mistrusts a repository of another user's, as a clone is for root.
trusting_git()
{
	GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*' \
		git "$@"
}

# Lists the files of the project, without what builds and tests leave behind.
project_files()
{
	local file

	trusting_git ls-files -z --cached --others --exclude-standard "$@" |
		while IFS= read -r -d '' file; do
			[ ! -f "$file" ] || printf '%s\n' "$file"
		done
}

# copy_project DIR: a copy of the working tree, for the servers' user.
copy_project()
{
	mkdir -p "$1"
	project_files | tar -c -T - | tar -x --no-same-owner -C "$1"
	[ "$(id -u)" -ne 0 ] || chown -R "$CDR_USER:" "$1"
}
