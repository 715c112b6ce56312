# install.sh DEB FOLDER: installs the package, changes and replaces it, follows the unit's instructions, and removes it, in
# a layer over this system that goes away at the end. It prints what the test looks at. It needs a mount namespace.
set -eu
top=$2
mount -t tmpfs tmpfs "$top"
mkdir "$top/upper" "$top/work" "$top/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$top/upper,workdir=$top/work" "$top/root"
mount -t proc proc "$top/root/proc"
mount --bind /dev "$top/root/dev"
mkdir -p "$top/root/run/release" && cp "$1" "$top/root/run/release/hashd.deb"
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
chroot "$top/root" sh -euc '
	dpkg --no-triggers -i /run/release/hashd.deb >/run/release/log 2>&1 || { cat /run/release/log; exit 1; }
	echo "user: $(getent passwd hashd | cut -d: -f6,7)"
	stat -c "%n %U:%G %a" /etc/hashd /etc/hashd/hashd.yaml /usr/bin/hashd /usr/bin/hashctl /usr/lib/systemd/system/hashd.service /usr/lib/systemd/system/hashd.socket
	echo "version: $(hashd version)"
	echo "version: $(hashctl version)"
	echo "# changed" >>/etc/hashd/hashd.yaml
	dpkg --no-triggers -i /run/release/hashd.deb >/run/release/log 2>&1 || { cat /run/release/log; exit 1; }
	echo "kept: $(tail -n 1 /etc/hashd/hashd.yaml)"

	hashd ring create /etc/hashd/ring.json >/dev/null
	hashd key add test --api-keys /etc/hashd/keys.json >/dev/null 2>&1
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=localhost -keyout /etc/hashd/tls.key -out /etc/hashd/tls.crt 2>/dev/null
	chgrp hashd /etc/hashd/*.json /etc/hashd/tls.*
	chmod 0640 /etc/hashd/*.json /etc/hashd/tls.* # systemd hands the ring and the certificate over by itself
	echo "checked: $(setpriv --reuid hashd --regid hashd --clear-groups hashd config check --config=/etc/hashd/hashd.yaml)"

	dpkg --no-triggers -r hashd >/run/release/log 2>&1 || { cat /run/release/log; exit 1; }
	echo "removed: $(ls /usr/bin/hashd /usr/bin/hashctl /usr/lib/systemd/system/hashd.service /usr/lib/systemd/system/hashd.socket /usr/share/man/man1/hashd.1.gz 2>/dev/null | wc -l)"
	echo "left: $(ls /etc/hashd | tr "\n" " ")"
	dpkg --no-triggers -P hashd >/run/release/log 2>&1 || { cat /run/release/log; exit 1; }
	echo "left: $(ls /etc/hashd | tr "\n" " ")"
	echo "installed: $(dpkg-query -W hashd 2>/dev/null | wc -l)"
'
