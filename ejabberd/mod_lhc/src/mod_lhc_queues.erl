%%% The queues of one virtual host, one for each tenant. A queue is opened when it is needed, and at the module's start if its
%%% folder exists. The queue of the tenant without an instance is always open: its first event tells the service to compare
%%% the host.
%%%
%%% Folders: the tenant without an instance has that of the host, as in version 1.0; the others have
%%% `instances/{instance}` in it.
%%%
%%% One public table for each host; the module's supervisor owns it:
%%%   {Instance, Process, Casts}     an open queue (mod_lhc_queue)
%%%   {{number, Instance}, N}        its number, from 1
%%%   usage, Counters                how full all are (mod_lhc_usage)

-module(mod_lhc_queues).
-behaviour(gen_server).

-export([start_link/1, append/5, add/4, open/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, format_status/1]).

-include_lib("kernel/include/logger.hrl").

%% How long an event may wait until its queue is open, in milliseconds.
-define(OPEN_TIMEOUT, 5000).
%% The time until the queue of a tenant whose processes have ended is opened again, in milliseconds.
-define(REOPEN_AFTER, 1000).
%% A refusal to open a queue is logged again after this time, in milliseconds.
-define(LOG_EVERY, 60000).

-record(state, {host :: binary(),
                tenants = #{} :: #{reference() => mod_lhc_names:instance()},
                refused_at :: integer() | undefined}).

start_link(Host) ->
    #{queues_proc := Name} = mod_lhc:config(Host),
    gen_server:start_link({local, Name}, ?MODULE, Host, []).

%% See mod_lhc_queue:append/4.
-spec append(mod_lhc:config(), mod_lhc_names:instance(), mod_lhc_queue:class(), iodata(), pos_integer()) ->
          ok | {error, full | share | disk | timeout | down}.
append(Config, Instance, Class, Members, Timeout) ->
    case ensure(Config, Instance) of
        ok -> mod_lhc_queue:append(queue(Config, Instance), Class, Members, Timeout);
        Error -> Error
    end.

%% See mod_lhc_queue:add/3.
-spec add(mod_lhc:config(), mod_lhc_names:instance(), mod_lhc_queue:class(), iodata()) -> ok.
add(Config, Instance, Class, Members) ->
    case ensure(Config, Instance) of
        ok -> mod_lhc_queue:add(queue(Config, Instance), Class, Members);
        {error, _} -> ok
    end.

%% The instances whose queues are open.
-spec open(mod_lhc:config()) -> [mod_lhc_names:instance()].
open(#{queues := Table}) ->
    [Instance || [Instance] <- ets:match(Table, {'$1', '_', '_'})].

queue(#{queues := Table}, Instance) ->
    {Table, Instance}.

ensure(#{queues := Table, queues_proc := Name}, Instance) ->
    case ets:member(Table, Instance) of
        true -> ok;
        false ->
            try gen_server:call(Name, {open, Instance}, ?OPEN_TIMEOUT)
            catch exit:_ -> {error, down}
            end
    end.

%%% ---------------------------------------------------------------- gen_server

init(Host) ->
    #{queues := Table, tenants_sup := Sup, dir := Dir, max_tenants := Max} = Config = mod_lhc:config(Host),
    ets:member(Table, usage) orelse ets:insert(Table, {usage, mod_lhc_usage:new(Max)}),
    %% Those that were opened by a process before this one.
    Running = [{Instance, Pid} || {Instance, Pid, _, _} <- supervisor:which_children(Sup), is_pid(Pid)],
    Tenants = maps:from_list([{monitor(process, Pid), Instance} || {Instance, Pid} <- Running]),
    Folders = filelib:wildcard("*", filename:join(to_list(Dir), "instances")),
    Instances = [Instance || Name <- Folders, Instance <- [unicode:characters_to_binary(Name)],
                             mod_lhc_names:is_instance(Instance), not is_gone(Instance, Host, Config)],
    {_, State} = lists:foldl(fun(Instance, {_, Acc}) -> open(Instance, Config, Acc) end,
                             {ok, #state{host = Host, tenants = Tenants}},
                             [Instance || Instance <- [<<>> | Instances], not lists:keymember(Instance, 1, Running)]),
    {ok, State}.

handle_call(Request, From, State) ->
    mod_lhc_log:guarded(?MODULE, State, fun() -> call(Request, From, State) end).

handle_cast(_, State) ->
    {noreply, State}.

handle_info(Message, State) ->
    mod_lhc_log:guarded(?MODULE, State, fun() -> info(Message, State) end).

format_status(Status) ->
    mod_lhc_log:status(Status).

-if(?OTP_RELEASE < 25).
-export([format_status/2]).
format_status(_, _) ->
    mod_lhc_log:status().
-endif.

call({open, Instance}, _From, #state{host = Host, tenants = Tenants} = State) ->
    #{queues := Table} = Config = mod_lhc:config(Host),
    case {ets:member(Table, Instance), lists:member(Instance, maps:values(Tenants))} of
        {true, _} -> {reply, ok, State};
        %% Its process has just ended and is starting again.
        {false, true} -> {reply, {error, down}, State};
        {false, false} ->
            {Answer, Next} = open(Instance, Config, State),
            {reply, Answer, Next}
    end.

%% The tenant's supervisor has given up. The sessions that were reported have to be reported again, because the queue may
%% begin with module.started.
info({'DOWN', Ref, process, _, _}, #state{tenants = Tenants} = State) ->
    case maps:take(Ref, Tenants) of
        {Instance, Others} ->
            erlang:send_after(?REOPEN_AFTER, self(), {reopen, Instance}),
            {noreply, State#state{tenants = Others}};
        error -> {noreply, State}
    end;
info({reopen, Instance}, #state{host = Host, tenants = Tenants} = State) ->
    case lists:member(Instance, maps:values(Tenants)) of
        true -> {noreply, State};
        false ->
            {_, Next} = open(Instance, mod_lhc:config(Host), State),
            mod_lhc_sessions:request_reports(Host, Instance),
            {noreply, Next}
    end;
info(_, State) ->
    {noreply, State}.

open(Instance, #{queues := Table, max_tenants := Max} = Config, State) ->
    Number = case ets:lookup(Table, {number, Instance}) of
                 [{_, Known}] -> Known;
                 [] -> 1 + length(ets:match(Table, {{number, '_'}, '$1'}))
             end,
    case Number > Max of
        true -> {{error, full}, log_refusal(Max, State)};
        false ->
            ets:insert(Table, {{number, Instance}, Number}),
            start(Instance, Number, Config, State)
    end.

start(Instance, Number, #{queues := Table, tenants_sup := Sup} = Config, #state{host = Host, tenants = Tenants} = State) ->
    [{_, Counters}] = ets:lookup(Table, usage),
    #{max_queue := Entries, max_queue_size := Bytes, max_operator_share := Share} = Config,
    QueueConfig = #{dir => folder(Instance, Config), max_entries => Entries, max_bytes => Bytes,
                    usage => mod_lhc_usage:slot(Counters, Number), max_operator_share => Share,
                    first => fun() -> mod_lhc:started_event(Host, Instance, start) end,
                    on_loss => fun() -> mod_lhc:announce_overflow(Host, Instance) end},
    Child = #{id => Instance, restart => temporary, shutdown => infinity, type => supervisor,
              start => {mod_lhc_tenant_sup, start_link, [Host, Instance, {Table, Instance}, QueueConfig]}},
    case supervisor:start_child(Sup, Child) of
        {ok, Pid} -> {ok, State#state{tenants = Tenants#{monitor(process, Pid) => Instance}}};
        {error, _} ->
            erlang:send_after(?REOPEN_AFTER, self(), {reopen, Instance}),
            {{error, down}, State}
    end.

%% True if the tenant has no group any more and nothing waits: the folder is removed, so it takes no place of another
%% tenant.
is_gone(Instance, Host, Config) ->
    Folder = folder(Instance, Config),
    case mod_lhc_queue:is_empty(Folder) andalso not mod_lhc_tenant:has_operators(Instance, Host) of
        true ->
            ?LOG_NOTICE("mod_lhc: the tenant ~ts on ~ts has no group of operators any more; its empty queue is removed",
                        [Instance, Host]),
            file:del_dir_r(Folder) =:= ok;
        false -> false
    end.

folder(<<>>, #{dir := Dir}) -> Dir;
folder(Instance, #{dir := Dir}) -> filename:join([Dir, <<"instances">>, Instance]).

log_refusal(Max, #state{host = Host, refused_at = At} = State) ->
    Now = erlang:monotonic_time(millisecond),
    case At =:= undefined orelse Now - At >= ?LOG_EVERY of
        true ->
            ?LOG_ERROR("mod_lhc: ~ts has more than ~b tenants (max_tenants); the operators of the others are refused",
                       [Host, Max]),
            State#state{refused_at = Now};
        false -> State
    end.

to_list(Dir) when is_binary(Dir) -> unicode:characters_to_list(Dir);
to_list(Dir) -> Dir.
