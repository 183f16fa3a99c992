# Valgrind watches a worker from its start to its end, through load, dead
# letters, giants, a broker that cannot be reached and reconnects: no access to
# memory that is not there or has no value, and no block lost, by this code or
# for it.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Fixture;
use CdrService::Oracle;

plan skip_all => 'there is no valgrind'
  if system('valgrind --version >/dev/null 2>&1') != 0;

my $cdr     = CdrService::Fixture->new('valgrind', start => 0);
my $node    = $cdr->node;
my $reports = PostgreSQL::Test::Utils::tempdir();
my $program = PostgreSQL::Test::Utils::tempdir() . '/postgres';
my @pg_ctl  = ('pg_ctl', '-w', '-D', $node->data_dir);

# What the server is started as.
my $bindir = (run_command([ 'pg_config', '--bindir' ]))[0];
append_to_file($program, <<"EOP");
#!/bin/sh
exec valgrind --quiet --trace-children=yes --leak-check=full \\
	--show-leak-kinds=definite --num-callers=40 --log-file=$reports/%p \\
	$bindir/postgres "\$@"
EOP
chmod 0755, $program or die "could not chmod $program: $!";

# What is not a worker's life is not watched: under valgrind, it would take most of
# the time.
sub start_unwatched
{
	my ($options) = @_;

	return system_or_bail(@pg_ctl, '-l', $node->logfile, '-o', $options,
		'start');
}

start_unwatched(q{-c shared_preload_libraries=''});
$cdr->sql('CREATE EXTENSION cdr_service');
system_or_bail(@pg_ctl, '-m', 'fast', 'stop');

# --- a life

system_or_bail(@pg_ctl, '-t', 180, '-l', $node->logfile, '-p', $program,
	'start');

END
{
	local $?;
	system(@pg_ctl, '-m', 'immediate', 'stop')
	  if $node && -e $node->data_dir . '/postmaster.pid';
}

$cdr->wait_for_state('consuming');
my $oracle = CdrService::Oracle->new($cdr);
my $pid    = $cdr->status('pid');
my $uri    = $cdr->broker->uri;
my $nobody = 'amqp://nobody@127.0.0.1:' . PostgreSQL::Test::Cluster::get_free_port();

foreach my $round (1 .. 2)
{
	$cdr->set('cdr_service.amqp_uri' => $nobody);
	$cdr->wait_for_state('backing off');
	$cdr->set('cdr_service.amqp_uri' => $uri);
	$oracle->publish(60, poison => 5);
	$cdr->publish('{"callId":"' . $round x 17_000_000 . '"}');
	$cdr->wait_for("count(*) = 6 * $round FROM dead_letters");
}
$cdr->sql('DELETE FROM dead_letters WHERE body_size > 1000000');
$oracle->is_complete('under valgrind');
is($cdr->status('pid'), $pid, 'one process did all of that');
system_or_bail(@pg_ctl, '-t', 180, '-m', 'fast', 'stop');

# --- what valgrind says of it

# A report begins with a line that is not indented.  Ours are those in whose
# stack there is a function or a library of ours; but for the padding without
# value that the server writes to its WAL and its cache.
my @reports = split /^==\d+== (?=\S)/m, slurp_file("$reports/$pid");
my $ours    = qr/: cdr_|librabbitmq|libssl/;
my $padding = qr/^Syscall param p?write(?!.*(?:librabbitmq|libssl))/s;

is(join("\n", grep { /$ours/ && !/$padding/ } @reports),
	'', 'there is nothing to report');
is($cdr->broker->left_over, 0, 'nothing is left on the queue');

start_unwatched('');
$oracle->is_satisfied('under valgrind');

done_testing();
