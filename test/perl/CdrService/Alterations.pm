# What a DBA, a tool or a mistake may do to the extension's tables, drawn at
# random: of each kind that PostgreSQL lets anybody do, and some that only a
# superuser can.
#
# An alteration is a hash:
#	name	what it does, in short
#	sql		statements that do it, to be run in one transaction
#	undo	statements that put it back with all rows, if there are any
#	rebuild	calls have followed another log meanwhile
#	loses	events that come meanwhile may be lost: that is what it asks for
#	alone	runs outside a transaction
#	told	what the worker must name, if it stores nothing meanwhile
package CdrService::Alterations;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';

use CdrService::AlteredColumns;
use CdrService::AlteredRelations;
use CdrService::AlteredTables qw(one random_table columns_of definitions_of);

our @EXPORT_OK = qw(known_alterations random_alteration);

sub _take_back
{
	my ($table) = @_;
	my $other = random_alteration();

	return {
		name  => "taken back: $other->{name}",
		sql   => [ @{ $other->{sql} }, 'ROLLBACK; BEGIN' ],
		undo  => [],
		loses => $other->{loses},
		alone => $other->{alone},
	};
}

# ---------------------------------------------------------------------------
# The draw
# ---------------------------------------------------------------------------

my @kinds = (
	[ 16, \&CdrService::AlteredColumns::retype ],
	[ 6,  \&CdrService::AlteredColumns::nullable ],
	[ 2,  \&CdrService::AlteredColumns::all_nullable ],
	[ 2,  \&CdrService::AlteredColumns::default ],
	[ 2,  \&CdrService::AlteredColumns::plain ],
	[ 2,  \&CdrService::AlteredColumns::identity ],
	[ 4,  \&CdrService::AlteredColumns::readd ],
	[ 4,  \&CdrService::AlteredColumns::drop_column ],
	[ 4,  \&CdrService::AlteredColumns::rename_column ],
	[ 6,  \&CdrService::AlteredColumns::add_column ],
	[ 1,  \&CdrService::AlteredColumns::many_columns ],
	[ 7,  \&CdrService::AlteredRelations::key ],
	[ 3,  \&CdrService::AlteredRelations::more_keys ],
	[ 3,  \&CdrService::AlteredRelations::invalid_key ],
	[ 14, \&CdrService::AlteredRelations::swap ],
	[ 4,  \&CdrService::AlteredRelations::kind ],
	[ 10, \&CdrService::AlteredRelations::partitions ],
	[ 5,  \&CdrService::AlteredRelations::detach ],
	[ 5,  \&CdrService::AlteredRelations::rename ],
	[ 7,  \&CdrService::AlteredRelations::drop ],
	[ 6,  \&CdrService::AlteredRelations::trigger ],
	[ 2,  \&CdrService::AlteredRelations::rule ],
	[ 6,  \&CdrService::AlteredRelations::rights ],
	[ 6,  \&CdrService::AlteredColumns::write ],
	[ 2,  \&CdrService::AlteredColumns::waver ],
	[ 3,  \&_take_back ]);
my @draw = map { my $kind = $_; ($kind->[1]) x $kind->[0] } @kinds;

# With a condition, one that meets it.
sub random_alteration
{
	my ($condition) = @_;
	my $alteration;

	do { $alteration = one(@draw)->(random_table()); }
	  while $condition && !$condition->($alteration);
	return $alteration;
}

# Those that crashed a server once, and their kin, for every run to begin with;
# told is what the worker must name while they last, where it meets them.
sub known_alterations
{
	my $swap = sub {
		my ($table, @sql) = @_;

		return ("ALTER TABLE cdr.$table RENAME TO was",
			'ALTER TABLE cdr.was SET SCHEMA odd', @sql);
	};
	my @known = (
		[ 'all partitions are detached', undef, 'SELECT keep.detach(1000)' ],
		[
			'the log is partitioned by LIST',
			'call_events',
			$swap->(
				'call_events',
				'CREATE TABLE cdr.call_events (LIKE odd.was) PARTITION BY LIST (call_id)',
				"CREATE TABLE cdr.call_events_odd PARTITION OF cdr.call_events FOR VALUES IN ('x')"
			)
		],
		[
			'the log is partitioned by RANGE of another type',
			'call_events',
			$swap->(
				'call_events',
				'CREATE TABLE cdr.call_events ('
				  . definitions_of('call_events') =~
				  s/event_time timestamp with time zone/event_time text/r
				  . ') PARTITION BY RANGE (event_time)',
				"CREATE TABLE cdr.call_events_odd PARTITION OF cdr.call_events FOR VALUES FROM ('a') TO ('b')"
			)
		],
		[
			'the log is a plain table',
			'call_events',
			$swap->(
				'call_events',
				'CREATE TABLE cdr.call_events (LIKE odd.was INCLUDING ALL)')
		],
		[
			'the log is a view',
			'call_events',
			$swap->(
				'call_events',
				'CREATE VIEW cdr.call_events AS SELECT * FROM odd.was')
		],
		[
			'events have numbers for ids',
			'call_events',
			'SELECT keep.save()',
			"SELECT keep.drop_keys('cdr.call_events')",
			'ALTER TABLE cdr.call_events ALTER event_id TYPE bigint USING 1'
		],
		[
			'events have no id',
			'call_events',
			"SELECT keep.drop_keys('cdr.call_events')",
			'ALTER TABLE cdr.call_events ALTER event_id DROP NOT NULL',
			'UPDATE cdr.call_events SET event_id = NULL'
		],
		[
			'letters have numbers for bodies',
			'dead_letters',
			'SELECT keep.save()',
			'ALTER TABLE cdr.dead_letters ALTER body TYPE integer USING 1',
			'INSERT INTO cdr.dead_letters SELECT (jsonb_populate_record(NULL::cdr.dead_letters, \'{"event_id":"00000000-0000-0000-0000-000000000001","received_at":"now","last_attempt_at":"now","attempts":1,"sqlstate":"","message":"","body_size":1,"body":1}\')).*'
		],
		[
			'letters have no body',
			'dead_letters',
			'ALTER TABLE cdr.dead_letters ALTER body DROP NOT NULL',
			'INSERT INTO cdr.dead_letters SELECT (jsonb_populate_record(NULL::cdr.dead_letters, \'{"event_id":"00000000-0000-0000-0000-000000000001","received_at":"now","last_attempt_at":"now","attempts":1,"sqlstate":"","message":"","body_size":1}\')).*'
		],
		[
			'the letters are a view',
			'dead_letters',
			$swap->(
				'dead_letters',
				'CREATE VIEW cdr.dead_letters AS SELECT '
				  . join(', ',
					map { "1 AS $_->{name}" } columns_of('dead_letters')))
		]);

	return map {
		my ($name, $told, @sql) = @$_;

		{ name => $name, told => $told, sql => \@sql }
	} @known;
}

1;
