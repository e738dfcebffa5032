%%% The queue and the sender of one tenant.

-module(mod_lhc_tenant_sup).
-behaviour(supervisor).

-export([start_link/4, init/1]).

-spec start_link(binary(), mod_lhc_names:instance(), mod_lhc_queue:queue(), map()) -> {ok, pid()} | {error, term()}.
start_link(Host, Instance, Queue, QueueConfig) ->
    supervisor:start_link(?MODULE, {Host, Instance, Queue, QueueConfig}).

init({Host, Instance, Queue, QueueConfig}) ->
    %% rest_for_one: the sender's batch belongs to one queue process, so it restarts with the queue. The sender has nothing
    %% to save, and may wait for an answer.
    {ok, {#{strategy => rest_for_one, intensity => 10, period => 60},
          [#{id => queue, start => {mod_lhc_queue, start_link, [Queue, QueueConfig]}, shutdown => 5000},
           #{id => sender, start => {mod_lhc_sender, start_link, [Host, Instance, Queue]}, shutdown => brutal_kill}]}}.
