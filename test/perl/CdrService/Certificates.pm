# A directory with certificates for a test, made with the openssl command:
#
#	ca.crt, other-ca.crt	two authorities; the broker trusts the first
#	NAME.crt, NAME.key		certificates of servers and clients
package CdrService::Certificates;

use strict;
use warnings FATAL => 'all';

use Carp;
use File::Copy;
use PostgreSQL::Test::Utils ();

use CdrService::Util qw(run);

sub new
{
	my ($class) = @_;
	my $self =
	  bless { directory => PostgreSQL::Test::Utils::tempdir('certificates') },
	  $class;

	foreach my $authority ('ca', 'other-ca')
	{
		$self->_openssl('req', '-x509', _new_key(),
			'-keyout', $self->path("$authority.key"),
			'-out',    $self->path("$authority.crt"),
			'-days',   2, '-subj', "/CN=$authority");
	}
	return $self;
}

sub path
{
	my ($self, $file) = @_;

	return "$self->{directory}/$file";
}

sub directory { return shift->{directory}; }

sub _openssl
{
	my ($self, @arguments) = @_;

	return run([ 'openssl', @arguments ]);
}

sub _new_key
{
	return ('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes');
}

# Makes NAME.crt and NAME.key.  Options: subject (default: NAME), hosts (as
# openssl wants them: "DNS:localhost,IP:127.0.0.1"), authority, days that it is
# valid (0: it is not any more).
sub make
{
	my ($self, $name, %option) = @_;
	my $subject   = $option{subject}   || $name;
	my $authority = $option{authority} || 'ca';
	my $days      = defined $option{days} ? $option{days} : 2;
	my $request   = $self->path("$name.csr");
	my $extension = $self->path("$name.ext");

	PostgreSQL::Test::Utils::append_to_file($extension,
		$option{hosts} ? "subjectAltName=$option{hosts}\n" : '');
	$self->_openssl('req', _new_key(), '-subj', "/CN=$subject",
		'-keyout', $self->path("$name.key"),
		'-out',    $request);
	$self->_openssl('x509', '-req', '-in', $request,
		'-CA',      $self->path("$authority.crt"),
		'-CAkey',   $self->path("$authority.key"),
		'-extfile', $extension,
		'-days',    $days,
		'-set_serial', ++$self->{serial},
		'-out', $self->path("$name.crt"));
	chmod 0600, $self->path("$name.key")
	  or croak "could not protect the key of $name: $!";
	return;
}

# Makes NAME.key, as OTHER.key but protected by a passphrase.
sub encrypt_key
{
	my ($self, $other, $name, $passphrase) = @_;

	$self->_openssl('pkey', '-in', $self->path("$other.key"),
		'-aes256', '-passout', "pass:$passphrase",
		'-out', $self->path("$name.key"));
	chmod 0600, $self->path("$name.key")
	  or croak "could not protect the key of $name: $!";
	return;
}

# Has the server, which reads its files anew for each connection, show the
# certificate NAME from now on.
sub install
{
	my ($self, $name) = @_;

	foreach my $kind ('key', 'crt')
	{
		copy($self->path("$name.$kind"), $self->path("new.$kind"))
		  or croak "could not copy: $!";
		rename $self->path("new.$kind"), $self->path("server.$kind")
		  or croak "could not rename: $!";
	}
	return;
}

1;
