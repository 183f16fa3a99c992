# A checkpoint is signed by the key of evidence_key_file, so that somebody who has no
# code of ours verifies it; a key that others may read, or that is none, is refused
# and shows nowhere, and events wait meanwhile.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Fixture;
use CdrService::Util qw(repository run);

my $name = 'cdr.example.org/signed/1';
my $cdr  = CdrService::Fixture->new(
	'signed',
	broker => 0,
	config => "cdr_service.seal_interval = 1d\n"
	  . "cdr_service.evidence_origin = 'cdr.example.org/signed'\n");
my $directory = PostgreSQL::Test::Utils::tempdir('keys');
my $key       = "$directory/key.pem";
my $event     = 0;

run([ qw(openssl genpkey -algorithm ed25519 -out), $key ]);
chmod 0600, $key or die;
run([ qw(openssl pkey -pubout -in), $key, '-out', "$key.pub" ]);

sub file
{
	my ($file, $content, $mode) = @_;

	append_to_file("$directory/$file", $content);
	chmod defined $mode ? $mode : 0600, "$directory/$file" or die;
	return "$directory/$file";
}

# Records an event, and seals it.
sub seal
{
	my ($how) = @_;
	my $statement = 'SELECT cdr_seal()';

	$event++;
	$cdr->sql(
		qq{SET cdr_service.evidence = on; SELECT cdr_ingest_event('{"eventType":"call.started","callId":"$event","timestamp":"2026-01-19T22:00:00Z"}')}
	);
	return $how ? $cdr->error_of($statement) : $cdr->sql($statement);
}

# What somebody says of a note who has the public key and the name.
sub verified
{
	my ($note, $of, $signer) = @_;
	my $file = file('note' . ++$event, $note);
	my ($out, $err);

	IPC::Run::run(
		[
			'python3', repository() . '/test/tools/verify_note.py',
			$file, $of || "$key.pub", $signer || $name
		],
		'>',
		\$out, '2>',
		\$err);
	return $err eq '' ? $out : $err;
}

sub use_key
{
	my ($file) = @_;

	$cdr->set('cdr_service.evidence_key_file' => $file);
	return $cdr->wait_for(
		"current_setting('cdr_service.evidence_key_file') = '$file'");
}

$cdr->sql('SELECT cdr_create_evidence_tables()');
my $listener = $cdr->session;
$listener->send('LISTEN cdr_checkpoint');
$listener->receive;

# --- without a key, and with one

seal();
my $unsigned = $cdr->sql('SELECT cdr_checkpoint()');
like $unsigned, qr{^\Q$name\E\n1\n[^\n]{44}\n$}, 'without a key: three lines';
use_key($key);
seal();
my $note = $cdr->sql('SELECT cdr_checkpoint()');
like $note,
  qr{^\Q$name\E\n2\n[^\n]{44}\n\n\xE2\x80\x94 \Q$name\E [A-Za-z0-9+/]{91}=\n$},
  'with one: signed';
like verified($note), qr{^\Q$name\E\n2\n[^\n]{44}\n$}, 'which openssl verifies';
like verified($note =~ s/\n2\n/\n3\n/r), qr/not of that text/,
  'and no other text';
like verified($note, undef, 'other'), qr/not by that name/, 'by no other name';
$listener->send('SELECT 1');
like $listener->receive, qr/\xE2\x80\x94 \Q$name\E /, 'who listens gets it';
is $cdr->sql(
	"SELECT count(*) FROM cdr_verify_evidence(checkpoint => '$note')"), 0,
  'and it is a checkpoint to verify by';

# --- another key

my $other = "$directory/other.pem";
run([ qw(openssl genpkey -algorithm ed25519 -out), $other ]);
run([ qw(openssl pkey -pubout -in), $other, '-out', "$other.pub" ]);
like verified($note, "$other.pub"), qr/not by that key/,
  'another key is told apart';

# --- keys that are refused

my $pem = slurp_file($key);
my $log = $cdr->log_size;
my %bad = (
	file('readable', $pem, 0644) => 'must be readable by the server.s user',
	file('nothing',  '')         => 'holds no Ed25519 key',
	file('garbage', "-----BEGIN PRIVATE KEY-----\nsecret\n") =>
	  'holds no Ed25519 key',
	file('long', 'secret' x 1000) => 'holds no Ed25519 key',
	$directory                    => 'is not a regular file',
	"$directory/none"             => 'No such file',
	"$key.pub"                    => 'holds no Ed25519 key|must be readable',);
run(
	[
		qw(openssl genpkey -algorithm ed25519 -aes256 -pass pass:secret -out),
		"$directory/encrypted"
	]);
chmod 0600, "$directory/encrypted" or die;
$bad{"$directory/encrypted"} = 'holds no Ed25519 key';
run([
		qw(openssl genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-256 -out),
		"$directory/ec"
	]);
chmod 0600, "$directory/ec" or die;
$bad{"$directory/ec"} = 'holds no Ed25519 key';

foreach my $file (sort keys %bad)
{
	use_key($file);
	like seal(1), qr/$bad{$file}/, "refused: $file";
}
my ($secret) = $pem =~ /\n(\S+)\n/;
unlike $cdr->log_since($log), qr/\Q$secret\E|secretsecret|\nsecret/,
  'no key shows in the log';
is $cdr->sql('SELECT waiting FROM cdr_evidence_status()'),
  scalar(keys %bad), 'events wait';
is $cdr->sql('SELECT cdr_checkpoint()'), $note,
  'and no checkpoint was taken without a signature';
like $cdr->error_of(
	'CREATE ROLE nobody; SET ROLE nobody; SHOW cdr_service.evidence_key_file'
  ),
  qr/permission denied|must be superuser/,
  'where the key is, is shown to those only who may see it';

use_key($other);
$cdr->sql('SELECT cdr_seal()');
like verified($cdr->sql('SELECT cdr_checkpoint()'), "$other.pub"),
  qr{^\Q$name\E\n3\n}, 'with a good one again, they are sealed';

$listener->quit;
$cdr->node->stop;
done_testing();
