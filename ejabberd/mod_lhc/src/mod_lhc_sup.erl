%%% The supervisor of one virtual host: owns the table of messages (mod_lhc_seen), and runs the queue and the sender.

-module(mod_lhc_sup).
-behaviour(supervisor).

-export([start_link/1, init/1]).

start_link(Host) ->
    supervisor:start_link({local, gen_mod:get_module_proc(Host, ?MODULE)}, ?MODULE, Host).

init(Host) ->
    #{queue := Queue, seen := Seen, dir := Dir, max_queue := Entries, max_queue_size := Bytes} = mod_lhc:config(Host),
    %% This process owns the table, so it survives a crash of the others.
    _ = mod_lhc_seen:new(Seen),
    QueueConfig = #{dir => Dir, max_entries => Entries, max_bytes => Bytes,
                    on_loss => fun() -> mod_lhc:announce(Host, overflow) end},
    %% rest_for_one: the sender's batch belongs to one queue process, so it restarts with the queue.
    {ok, {#{strategy => rest_for_one, intensity => 10, period => 60},
          [#{id => queue, start => {mod_lhc_queue, start_link, [Queue, QueueConfig]}, shutdown => 5000},
           #{id => sender, start => {mod_lhc_sender, start_link, [Host]}, shutdown => 1000}]}}.
