# While pg_upgrade has the server, no worker runs.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;

my $cdr  = CdrService::Fixture->new('binary_upgrade');
my $node = $cdr->node;

$node->stop;
$cdr->publish(simple_events(30));

# as pg_upgrade starts it
my @pg_ctl = ('pg_ctl', '-w', '-D', $node->data_dir, '-l', $node->logfile);
my $log    = $cdr->log_size;

command_ok([ @pg_ctl, '-o', '-b', 'start' ], 'start in binary-upgrade mode');
is( $cdr->sql(
		"SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'cdr%'"
	),
	0,
	'there is no worker');
is($cdr->sql('SELECT count(*) FROM calls'), 0, 'the tables can be read');
command_ok([ @pg_ctl, '-m', 'fast', 'stop' ], 'stop');
is($cdr->log_matches(qr/cdr_service worker/, $log),
	0, 'the log says nothing of a worker');
is(join(' ', $cdr->broker->count), '30 0',
	'nothing was taken from the queue');

$node->start;
$cdr->wait_drained(30);
$cdr->stored_is(30, 'started as usual');

done_testing();
