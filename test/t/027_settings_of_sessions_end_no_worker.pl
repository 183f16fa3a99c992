# What a DBA sets for sessions, on the server, a database or a role, neither
# ends nor hurts a worker; and a pause needs no ALTER SYSTEM.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;

my $cdr     = CdrService::Fixture->new('settings');
my $node    = $cdr->node;
my $version = $cdr->sql('SHOW server_version_num') / 10000;

# Each as hostile as it can be; those that a version lacks are left out.
my %hostile = (
	array_nulls                         => 'off',
	bytea_output                        => 'escape',
	client_connection_check_interval    => '1ms',
	constraint_exclusion                => 'off',
	DateStyle                           => 'SQL',
	default_transaction_deferrable      => 'on',
	default_transaction_isolation       => 'serializable',
	enable_bitmapscan                   => 'off',
	enable_hashagg                      => 'off',
	enable_hashjoin                     => 'off',
	enable_indexonlyscan                => 'off',
	enable_indexscan                    => 'off',
	enable_material                     => 'off',
	enable_memoize                      => 'off',
	enable_mergejoin                    => 'off',
	enable_nestloop                     => 'off',
	enable_partition_pruning            => 'off',
	enable_sort                         => 'off',
	enable_tidscan                      => 'off',
	exit_on_error                       => 'on',
	extra_float_digits                  => '-15',
	from_collapse_limit                 => '1',
	idle_in_transaction_session_timeout => '1ms',
	idle_session_timeout                => '1ms',
	IntervalStyle                       => 'sql_standard',
	jit                                 => 'on',
	jit_above_cost                      => '0',
	join_collapse_limit                 => '1',
	lock_timeout                        => '1h',
	max_stack_depth                     => '100kB',
	plan_cache_mode                     => 'force_generic_plan',
	restrict_nonsystem_relation_kind    => 'view',
	row_security                        => 'off',
	search_path                         => 'nowhere',
	standard_conforming_strings         => 'off',
	statement_timeout                   => '1ms',
	temp_file_limit                     => '0',
	TimeZone                            => 'Pacific/Chatham',
	transaction_timeout                 => '300ms',
	transform_null_equals               => 'on',
	work_mem                            => '64kB');
my %known = map { $_ => 1 } split /\n/,
  $cdr->sql('SELECT lower(name) FROM pg_settings');
my @settings = grep { $known{ lc $_ } } sort keys %hostile;

# The test's own sessions are not to suffer from them.
my $ours = $ENV{PGOPTIONS};
$ENV{PGOPTIONS} .= join '',
  map  { " -c $_=0" }
  grep { $known{$_} } (
	'transaction_timeout', 'idle_session_timeout',
	'idle_in_transaction_session_timeout');
$ENV{PGOPTIONS} .= ' -c restrict_nonsystem_relation_kind='
  if $known{restrict_nonsystem_relation_kind};
$ENV{PGOPTIONS} .=
	' -c exit_on_error=off -c search_path=public -c max_stack_depth=2MB'
  . ' -c standard_conforming_strings=on -c default_transaction_deferrable=off'
  . ' -c default_transaction_isolation=read\ committed'
  . ' -c work_mem=64MB -c temp_file_limit=-1 -c enable_hashagg=on'
  . ' -c enable_hashjoin=on -c enable_sort=on -c enable_nestloop=on'
  . ' -c enable_indexscan=on';

# A locked table, an event that is refused, and ordinary ones: what a session
# with such settings would not survive.
my $events = 0;

sub worker_stores
{
	my ($level) = @_;
	my $before = $cdr->status('pid');

	$cdr->terminate_worker;
	$cdr->wait_for(
		"pid <> $before AND state = 'consuming' FROM cdr_status()");
	my $pid     = $cdr->status('pid');
	my $session = $cdr->session;
	$session->query('BEGIN; LOCK TABLE calls');
	$cdr->publish('no event', simple_events(60, $level));
	$cdr->wait_for_state('retrying');
	$session->query('ROLLBACK');
	$session->quit;
	$events += 60;
	$cdr->wait_drained($events);
	is($cdr->status('pid'), $pid, "$level: nothing has ended the worker");
	is( $cdr->sql(
			'SELECT count(*) FROM call_events WHERE event_time < now()'),
		$events,
		"$level: it has stored every event");
	return;
}

foreach my $level (
	"DATABASE postgres",
	"ROLE ALL IN DATABASE postgres",
	"ROLE " . $cdr->sql('SELECT current_user'))
{
	$cdr->sql(join ';',
		map { "ALTER $level SET $_ = '$hostile{$_}'" } @settings);
	worker_stores($level);
	$cdr->sql("ALTER $level RESET ALL");
}
$cdr->set(map { $_ => $hostile{$_} } @settings);
worker_stores('server');

# and by a reload, in a worker that runs
$node->append_conf('postgresql.conf', "work_mem = '64MB'");
$node->restart;
$cdr->wait_for_state('consuming');
$cdr->set(work_mem => '64kB', map { $_ => $hostile{$_} } @settings);
$cdr->publish(simple_events(60, 'reload'));
$events += 60;
$cdr->wait_drained($events);
pass('reload: it goes on storing');
$cdr->calls_are_right('hostile settings');

$cdr->nothing_left('hostile settings');
$ENV{PGOPTIONS} = $ours;

# --- a pause without ALTER SYSTEM: since 17 that can be forbidden, and the file
# that it writes can be kept from the server in any version

$cdr  = CdrService::Fixture->new('pause_by_file');
$node = $cdr->node;
my $auto = $node->data_dir . '/postgresql.auto.conf';
my $mark = $node->data_dir . '/pg_stat/cdr_service_paused';

sub pause_lasts
{
	my ($name) = @_;
	my ($stdout, $stderr);
	my @pids = $cdr->worker_pids;

	$node->psql(
		'postgres', 'SELECT cdr_pause()',
		stdout => \$stdout,
		stderr => \$stderr);
	like(
		$stderr,
		qr/NOTICE:  paused by a file.*DETAIL:  cdr_service.paused could not be set.*HINT:  cdr_resume/s,
		"$name: cdr_pause() says what it did");
	$cdr->wait_until_paused(@pids);
	ok(-e $mark, "$name: there is a file");
	is(($cdr->broker->count)[1], 0, "$name: nobody consumes");
	$cdr->status_is('unhealthy_since IS NULL',
		't', "$name: a pause is no trouble");
	is($cdr->sql(q{SELECT level FROM cdr_health WHERE "check" = 'pause'}),
		'warning', "$name: but is told of");
	$cdr->node->restart;
	$cdr->wait_for_state('paused');
	pass("$name: it survives a restart of the server");
	$cdr->sql('SELECT cdr_resume()');
	$cdr->wait_for_state('consuming');
	ok(!-e $mark, "$name: cdr_resume() ends it");
	$cdr->node->restart;
	$cdr->wait_for_state('consuming');
	pass("$name: for good");
	return;
}

chmod 0, $auto or die "chmod: $!";
pause_lasts('no file of settings');
chmod 0600, $auto or die "chmod: $!";

SKIP:
{
	skip 'allow_alter_system came with PostgreSQL 17', 10 if $version < 17;
	$cdr->set(allow_alter_system => 'off');
	pause_lasts('allow_alter_system = off');

	# what a DBA wrote is his to take out
	$cdr->set('cdr_service.paused' => 'on');
	$cdr->wait_for_state('paused');
	like(
		$cdr->error_of('SELECT cdr_resume()'),
		qr/could not end the pause.*configuration file.*HINT:.*sourcefile/s,
		'cdr_resume() cannot change postgresql.conf, and says where to look');
	$cdr->set('cdr_service.paused' => 'off');
	$cdr->wait_for_state('consuming');
	$cdr->set(allow_alter_system => 'on');
}

# --- both at once: a pause by a file, then by the setting

chmod 0, $auto or die "chmod: $!";
my @pids = $cdr->worker_pids;
$cdr->sql('SELECT cdr_pause()');
$cdr->wait_until_paused(@pids);
chmod 0600, $auto or die "chmod: $!";
$cdr->sql('SELECT cdr_pause()');
$cdr->wait_for(q{current_setting('cdr_service.paused') = 'on'});
$cdr->sql('SELECT cdr_resume()');
$cdr->wait_for_state('consuming');
ok(!-e $mark, 'cdr_resume() ends a pause of either kind');

# --- the setting is written, and without effect: another line is wrong

my $conf = $node->data_dir . '/postgresql.conf';
my $good = slurp_file($conf);
append_to_file($conf, "this is no setting\n");
@pids = $cdr->worker_pids;
$cdr->sql('SELECT cdr_pause()');
$cdr->wait_until_paused(@pids);
pass('a pause comes although no file of settings is applied');
unlink $conf or die "unlink: $!";
append_to_file($conf, $good);
$node->reload;
$cdr->wait_for(q{current_setting('cdr_service.paused') = 'on'});
$cdr->wait_for_state('paused');
pass('and stays when they are');
$cdr->sql('SELECT cdr_resume()');
$cdr->wait_for_state('consuming');
ok(!-e "${mark}" && !-e $mark =~ s/paused$/pausing/r,
	'cdr_resume() ends it');
$cdr->nothing_left('pauses');

done_testing();
