//! [`Network`]: machines with a network between them, in network namespaces of this one. Each has its own address and link,
//! and sees an empty folder where it is told to: nothing is shared but the wire.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Machines and the switch between them; they go with this value.
#[derive(Debug)]
pub struct Network {
    name: String,
    machines: usize,
    subnet: u32,
}

impl Network {
    /// So many machines, numbered from 0; `None` where this can't be had, with the reason.
    ///
    /// # Errors
    /// Not root, no `ip` or `unshare`, or the system forbids it.
    pub fn new(machines: usize) -> Result<Self, String> {
        static NETWORKS: AtomicU32 = AtomicU32::new(0);
        let number = NETWORKS.fetch_add(1, Ordering::Relaxed);
        let network = Self {
            name: format!("rk{}-{number}", std::process::id()),
            machines,
            subnet: number % 200,
        };
        // What was made before a failure goes with the value.
        network.build().map(|()| network)
    }

    fn build(&self) -> Result<(), String> {
        let switch = self.switch();
        ip(&["netns", "add", &switch])?;
        ip(&["-n", &switch, "link", "add", "switch", "type", "bridge"])?;
        ip(&["-n", &switch, "link", "set", "switch", "up"])?;
        for machine in 0..self.machines {
            let (host, port) = (self.host(machine), format!("port{machine}"));
            ip(&["netns", "add", &host])?;
            ip(&[
                "-n", &switch, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &host,
            ])?;
            ip(&["-n", &switch, "link", "set", &port, "master", "switch", "up"])?;
            let address = format!("{}/24", self.address(machine));
            ip(&["-n", &host, "address", "add", &address, "dev", "eth0"])?;
            ip(&["-n", &host, "link", "set", "lo", "up"])?;
            ip(&["-n", &host, "link", "set", "eth0", "up"])?;
        }
        // This process is on the network as well, to ask the machines.
        let own = format!("{}r", self.name);
        ip(&[
            "-n", &switch, "link", "add", "port-own", "type", "veth", "peer", "name", &own, "netns", "1",
        ])?;
        ip(&["-n", &switch, "link", "set", "port-own", "master", "switch", "up"])?;
        ip(&["address", "add", &format!("{}254/24", self.subnet()), "dev", &own])?;
        ip(&["link", "set", &own, "up"])
    }

    /// Where a machine is reached by the others.
    pub fn address(&self, machine: usize) -> String {
        format!("{}{}", self.subnet(), machine + 1)
    }

    /// What all their addresses begin with.
    pub fn subnet(&self) -> String {
        format!("10.77.{}.", self.subnet)
    }

    /// What a command is put behind to run on a machine on which these folders are empty.
    pub fn on(&self, machine: usize, hidden: &[&Path]) -> Vec<String> {
        let mounts: String = hidden
            .iter()
            .map(|folder| format!("mount -t tmpfs none '{}' && ", folder.display()))
            .collect();
        let script = format!("{mounts}exec \"$0\" \"$@\"");
        let words = [
            "ip",
            "netns",
            "exec",
            &self.host(machine),
            "unshare",
            "--mount",
            "sh",
            "-c",
        ];
        let words = words.iter().map(|word| (*word).to_string());
        words.chain([script]).collect()
    }

    /// Cuts a machine's link: what is sent is lost without a word.
    pub fn cut(&self, machine: usize) {
        self.set_link(machine, "down");
    }

    /// Mends a machine's link.
    pub fn mend(&self, machine: usize) {
        self.set_link(machine, "up");
    }

    /// At the switch: the machine itself notices nothing.
    fn set_link(&self, machine: usize, state: &str) {
        let port = format!("port{machine}");
        ip(&["-n", &self.switch(), "link", "set", &port, state]).expect("the link is there");
    }

    fn host(&self, machine: usize) -> String {
        format!("{}-{machine}", self.name)
    }

    fn switch(&self) -> String {
        format!("{}-switch", self.name)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let hosts = (0..self.machines).map(|machine| self.host(machine));
        for namespace in hosts.chain([self.switch()]) {
            // One that was never made can't be deleted.
            let _ = ip(&["netns", "delete", &namespace]);
        }
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let done = Command::new("ip").args(arguments).output();
    let done = done.map_err(|e| format!("`ip` can't be run: {e}"))?;
    match done.status.success() {
        true => Ok(()),
        false => Err(format!(
            "`ip {}`: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&done.stderr).trim()
        )),
    }
}
