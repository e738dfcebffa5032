%%% Posts a queue's events to the service: one batch at a time, in order, each until the answer is a 2xx.
%%%
%%% One process for each tenant of a virtual host. No other process waits for it. The signature is that of Standard Webhooks 1.0
%%% (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).

-module(mod_lhc_sender).
-behaviour(gen_server).

-export([start_link/3, reload/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, format_status/1]).
%% For tests.
-export([webhook_id/3, signature/4, backoff/3]).

-include_lib("kernel/include/logger.hrl").

%% The longest wait after the first failure, in milliseconds.
-define(FIRST_DELAY, 200).
%% A failure that goes on is logged again after this time, in seconds.
-define(LOG_EVERY, 60).

-record(batch, {id :: binary(),
                last :: pos_integer(),
                body :: binary()}).

-record(state, {host :: binary(),
                instance :: mod_lhc_names:instance(),
                queue :: mod_lhc_queue:queue(),
                batch :: #batch{} | undefined,
                failures = 0 :: non_neg_integer(),
                timer :: reference() | undefined,
                %% When the current failure was logged, in seconds of monotonic time.
                logged_at :: integer() | undefined}).

start_link(Host, Instance, Queue) ->
    gen_server:start_link(?MODULE, {Host, Instance, Queue}, []).

%% All senders of a host try at once. The configuration is read for each attempt.
-spec reload(mod_lhc:config()) -> ok.
reload(#{queues := Table}) ->
    [gen_server:cast(Pid, reload) || [Pid] <- ets:match(Table, {{sender, '_'}, '$1'})],
    ok.

init({Host, Instance, {Table, _} = Queue}) ->
    ets:insert(Table, {{sender, Instance}, self()}),
    self() ! next,
    {ok, #state{host = Host, instance = Instance, queue = Queue}}.

%% As in mod_lhc_queue: no batch gets into the report of a crash.
handle_call(_, _From, State) ->
    {reply, ok, State}.

handle_cast(Request, State) ->
    mod_lhc_log:guarded(?MODULE, State, fun() -> cast(Request, State) end).

handle_info(Message, State) ->
    mod_lhc_log:guarded(?MODULE, State, fun() -> info(Message, State) end).

format_status(Status) ->
    mod_lhc_log:status(Status).

-if(?OTP_RELEASE < 25).
-export([format_status/2]).
format_status(_, _) ->
    mod_lhc_log:status().
-endif.

cast(reload, #state{timer = Timer} = State) ->
    %% The new configuration may work at once.
    _ = Timer =/= undefined andalso erlang:cancel_timer(Timer),
    self() ! next,
    {noreply, State#state{timer = undefined}}.

info(Message, State) when Message =:= next; Message =:= mod_lhc_queue_more ->
    {noreply, next(State)};
info(retry, State) ->
    {noreply, next(State#state{timer = undefined})};
info(_, State) ->
    %% For example an answer from httpc after its time-out.
    {noreply, State}.

%%% ---------------------------------------------------------------- one batch after the other

next(#state{timer = Timer} = State) when Timer =/= undefined ->
    State;
next(#state{batch = undefined, queue = Queue, host = Host} = State) ->
    #{batch_size := Size, batch_bytes := Bytes} = mod_lhc:config(Host),
    case mod_lhc_queue:fetch(Queue, Size, Bytes) of
        empty ->
            State;
        {ok, QueueId, First, Last, Events} ->
            Batch = #batch{id = webhook_id(QueueId, First, Last), last = Last,
                           body = iolist_to_binary([$[, lists:join($,, Events), $]])},
            next(State#state{batch = Batch})
    end;
next(#state{batch = Batch, queue = Queue, host = Host} = State) ->
    Config = mod_lhc:config(Host),
    {Profile, Ticket} = mod_lhc_posts:enter(Config),
    Answer = post(Batch, Config, Profile),
    mod_lhc_posts:leave(Config, Ticket),
    case Answer of
        ok ->
            ok = mod_lhc_queue:ack(Queue, Batch#batch.last),
            self() ! next,
            log_recovery(State#state{batch = undefined});
        {error, Reason} ->
            #{max_backoff := Max} = Config,
            Delay = backoff(State#state.failures, Max, rand:uniform()),
            Logged = log_failure(Reason, State),
            Logged#state{failures = State#state.failures + 1, timer = erlang:send_after(Delay, self(), retry)}
    end.

post(#batch{id = Id, body = Body}, Config, Profile) ->
    #{url := Url, key := Key, connect_timeout := Connect, request_timeout := Timeout} = Config,
    Time = integer_to_binary(erlang:system_time(second)),
    Headers = [{"webhook-id", binary_to_list(Id)},
               {"webhook-timestamp", binary_to_list(Time)},
               {"webhook-signature", binary_to_list(signature(Key, Id, Time, Body))},
               {"user-agent", "mod_lhc"}],
    try
        Options = [{timeout, Timeout}, {connect_timeout, Connect}, {autoredirect, false}, {ssl, tls(Url, Config)}],
        httpc:request(post, {Url, Headers, "application/json", Body}, Options, [{body_format, binary}], Profile)
    of
        {ok, {{_, Status, _}, _, _}} when Status >= 200, Status < 300 -> ok;
        {ok, {{_, Status, _}, _, _}} -> {error, {status, Status}};
        {error, Reason} -> {error, Reason}
    catch
        _:Reason -> {error, Reason}
    end.

%% The service's certificate is verified, because events contain messages.
tls("https:" ++ _, #{cacertfile := File}) ->
    Authorities = case File of
                      undefined -> {cacerts, public_key:cacerts_get()};
                      _ -> {cacertfile, binary_to_list(File)}
                  end,
    [Authorities, {verify, verify_peer}, {depth, 9},
     {customize_hostname_check, [{match_fun, public_key:pkix_verify_hostname_match_fun(https)}]}];
%% Without an `ssl` option httpc (OTP 29) loads the system's authorities even for plain HTTP. Slim images have none.
tls(_, _) ->
    [].

%%% ---------------------------------------------------------------- pure functions

%% The same entries have the same id, so a receiver recognises a repeat. An id must not contain a full stop, which
%% separates the parts of the signed text.
-spec webhook_id(binary(), pos_integer(), pos_integer()) -> binary().
webhook_id(QueueId, First, Last) ->
    <<QueueId/binary, $_, (integer_to_binary(First))/binary, $_, (integer_to_binary(Last))/binary>>.

-spec signature(Key :: binary(), Id :: binary(), Time :: binary(), Body :: binary()) -> binary().
signature(Key, Id, Time, Body) ->
    Mac = crypto:mac(hmac, sha256, Key, [Id, $., Time, $., Body]),
    <<"v1,", (base64:encode(Mac))/binary>>.

%% Milliseconds until the next attempt: a bound that doubles up to Max, with jitter over its upper half, so many servers
%% do not come back at the same time.
-spec backoff(Failures :: non_neg_integer(), Max :: pos_integer(), Random :: float()) -> pos_integer().
backoff(Failures, Max, Random) ->
    Full = min(Max, ?FIRST_DELAY bsl min(Failures, 20)),
    max(1, round(Full / 2 + Random * Full / 2)).

%%% ---------------------------------------------------------------- log

log_failure(Reason, #state{host = Host, logged_at = LoggedAt, failures = Failures} = State) ->
    Now = erlang:monotonic_time(second),
    IsDue = LoggedAt =:= undefined orelse Now - LoggedAt >= ?LOG_EVERY,
    case IsDue andalso mod_lhc_posts:may_log(mod_lhc:config(Host)) of
        true ->
            #{entries := Waiting} = mod_lhc_queue:info(State#state.queue),
            ?LOG_WARNING("mod_lhc: the service does not accept the events of ~ts (~ts), attempt ~b; ~b events are stored "
                         "and sent again", [name(State), describe(Reason), Failures + 1, Waiting]),
            State#state{logged_at = Now};
        false ->
            State
    end.

log_recovery(#state{logged_at = undefined} = State) ->
    State#state{failures = 0};
log_recovery(#state{failures = Failures} = State) ->
    ?LOG_NOTICE("mod_lhc: the service accepts the events of ~ts again, after ~b failed attempts",
                [name(State), Failures]),
    State#state{failures = 0, logged_at = undefined}.

name(#state{host = Host, instance = <<>>}) -> Host;
name(#state{host = Host, instance = Instance}) -> [Instance, " on ", Host].

%% Never the whole reason, which may contain the request.
describe({status, Status}) -> io_lib:format("HTTP ~b", [Status]);
describe({failed_connect, Details}) ->
    case [Why || {_, _, Why} <- Details] of
        [Why | _] when is_atom(Why) -> io_lib:format("cannot connect: ~ts", [Why]);
        [{tls_alert, {Alert, _}} | _] when is_atom(Alert) -> io_lib:format("cannot connect: TLS, ~ts", [Alert]);
        _ -> "cannot connect"
    end;
describe(Reason) when is_atom(Reason) -> atom_to_list(Reason);
describe(Reason) when is_tuple(Reason), is_atom(element(1, Reason)) -> atom_to_list(element(1, Reason));
describe(_) -> "failed".
