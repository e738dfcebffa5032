%%% Posts the queue's events to the service: one batch at a time, in order, each until the answer is a 2xx.
%%%
%%% One process for each virtual host. No other process waits for it. The signature is that of Standard Webhooks 1.0
%%% (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).

-module(mod_lhc_sender).
-behaviour(gen_server).

-export([start_link/1, reload/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).
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
                queue :: mod_lhc_queue:queue(),
                profile :: atom(),
                batch :: #batch{} | undefined,
                failures = 0 :: non_neg_integer(),
                timer :: reference() | undefined,
                %% When the current failure was logged, in seconds of monotonic time.
                logged_at = 0 :: integer()}).

start_link(Host) ->
    gen_server:start_link({local, gen_mod:get_module_proc(Host, ?MODULE)}, ?MODULE, Host, []).

%% Applies a changed configuration to the connection. Everything else is read for each attempt.
reload(Host) ->
    gen_server:cast(gen_mod:get_module_proc(Host, ?MODULE), reload).

init(Host) ->
    {ok, _} = application:ensure_all_started(inets),
    {ok, _} = application:ensure_all_started(ssl),
    #{queue := Queue} = mod_lhc:config(Host),
    State = #state{host = Host, queue = Queue, profile = gen_mod:get_module_proc(Host, mod_lhc_http)},
    %% After a restart, the old connection may still deliver the answer to an earlier request.
    _ = inets:stop(httpc, State#state.profile),
    connect(State),
    self() ! next,
    {ok, State}.

handle_call(_, _From, State) ->
    {reply, ok, State}.

handle_cast(reload, #state{timer = Timer} = State) ->
    connect(State),
    %% The new configuration may work at once.
    _ = Timer =/= undefined andalso erlang:cancel_timer(Timer),
    self() ! next,
    {noreply, State#state{timer = undefined}};
handle_cast(_, State) ->
    {noreply, State}.

handle_info(Message, State) when Message =:= next; Message =:= mod_lhc_queue_more ->
    {noreply, next(State)};
handle_info(retry, State) ->
    {noreply, next(State#state{timer = undefined})};
handle_info(_, State) ->
    %% For example an answer from httpc after its time-out.
    {noreply, State}.

terminate(_Reason, #state{profile = Profile}) ->
    _ = inets:stop(httpc, Profile),
    ok.

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
    case post(Batch, Config, State) of
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

post(#batch{id = Id, body = Body}, Config, #state{profile = Profile}) ->
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

%% Socket options in a request would switch off keep-alive, which costs four fifths of the speed.
connect(#state{host = Host, profile = Profile}) ->
    case inets:start(httpc, [{profile, Profile}]) of
        {ok, _} -> ok;
        {error, {already_started, _}} -> ok
    end,
    #{request_timeout := Timeout} = mod_lhc:config(Host),
    ok = httpc:set_options([{socket_opts, [{nodelay, true}, {send_timeout, Timeout}]},
                            {max_sessions, 1}, {cookies, disabled}], Profile).

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

log_failure(Reason, #state{host = Host, failures = 0} = State) ->
    ?LOG_WARNING("mod_lhc: the service does not accept the events of ~ts (~ts); they are stored and sent again",
                 [Host, describe(Reason)]),
    State#state{logged_at = erlang:monotonic_time(second)};
log_failure(Reason, #state{host = Host, logged_at = LoggedAt, queue = Queue, failures = Failures} = State) ->
    Now = erlang:monotonic_time(second),
    case Now - LoggedAt >= ?LOG_EVERY of
        true ->
            #{entries := Waiting} = mod_lhc_queue:info(Queue),
            ?LOG_WARNING("mod_lhc: the service does not accept the events of ~ts (~ts) after ~b attempts; ~b events are stored",
                         [Host, describe(Reason), Failures + 1, Waiting]),
            State#state{logged_at = Now};
        false ->
            State
    end.

log_recovery(#state{failures = 0} = State) ->
    State;
log_recovery(#state{host = Host, failures = Failures} = State) ->
    ?LOG_NOTICE("mod_lhc: the service accepts the events of ~ts again, after ~b failed attempts", [Host, Failures]),
    State#state{failures = 0}.

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
