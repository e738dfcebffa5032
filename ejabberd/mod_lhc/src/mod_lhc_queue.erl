%%% A durable queue between ejabberd's hooks and a sender. Each tenant of a virtual host has one, with one process and one
%%% folder.
%%%
%%% Promises:
%%%   * append/4 returns ok after the entry is synced to disk. Callers that wait at the same time share one sync.
%%%   * fetch/3 returns synced entries only. So no entry that a reader has seen is lost, and no seq is used twice, even
%%%     after a power failure.
%%%   * The queue is bounded, in entries and in bytes (see has_room/3). One operator has at most a share of it.
%%%   * No content of an entry gets into a log, whatever crashes.
%%%   * The queue opens after any crash. It keeps what can be read, logs what is cut off, and skips the seqs of entries
%%%     that may have been there.
%%%
%%% Files: `{first seq, 20 digits}.seg` is a segment, that is, a header and records. Entries are appended to the newest
%%% segment. `cursor` has the seq of the last acknowledged entry. A segment is deleted when its last entry is
%%% acknowledged. The newest one is replaced by an empty one when the queue has been empty for a few seconds, so operators'
%%% messages do not stay on disk longer than needed.
%%%
%%%   header   "LHCQ" version:8 queueId:16/binary first:64 crc:32
%%%   record   length:32 crc:32 seq:64 class:8 json:length/binary      (the crc is over seq, class and json)
%%%   cursor   "LHCC" version:8 queueId:16/binary acked:64 crc:32

-module(mod_lhc_queue).
-behaviour(gen_server).

-export([start_link/2, append/4, add/3, flush/1, fetch/3, ack/2, info/1, is_empty/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2, format_status/1]).
%% For tests.
-export([owner/1]).

-include_lib("kernel/include/logger.hrl").

%% A row in a public table: {Key, the queue's process, its counters of casts}. Not a registered name, because names are
%% atoms, and there are as many queues as tenants.
-type queue() :: {Table :: atom(), Key :: term()}.

%% Which entries are dropped when there is no room: first `ephemeral` (pings, chat states), then `message` (append/4
%% returns an error, so the sender knows), last `state` (sessions, presence, delivery; on_loss reports the loss).
-type class() :: message | state | ephemeral.

-type config() :: #{dir := file:filename_all(),
                    %% The bound of all queues of the host (see mod_lhc_usage).
                    max_entries := pos_integer(),
                    max_bytes := pos_integer(),
                    usage := mod_lhc_usage:slot(),
                    %% The share of the queue that one operator may fill, in percent.
                    max_operator_share := 1..100,
                    %% The members of the first entry after a start.
                    first => fun(() -> iodata()),
                    %% Called in a new process when `state` entries were dropped and there is room again.
                    on_loss := fun(() -> term()),
                    %% A segment of this size is followed by a new one.
                    segment_bytes => pos_integer(),
                    %% How long the queue has to be empty before its newest segment is replaced, in milliseconds.
                    purge_after => pos_integer()}.

-export_type([queue/0, class/0]).

-define(VERSION, 1).
%% Sizes of a header, and of a record without its JSON, in bytes.
-define(HEADER, 33).
-define(RECORD, 17).
-define(SEGMENT_BYTES, 4 * 1024 * 1024).
-define(PURGE_AFTER, 5000).
%% A group of this size is written without waiting for further entries.
-define(GROUP, 512).
-define(GROUP_BYTES, 1024 * 1024).
%% Casts in the mailbox while the disk is stuck.
-define(MAX_CASTS, 20000).
%% Time between two attempts to open the files, in milliseconds.
-define(REOPEN_AFTER, 1000).
%% How much longer than its entry's time-out a caller of append/4 waits, in milliseconds.
-define(CALL_MARGIN, 500).
-define(FLUSH_TIMEOUT, 2000).
-define(INFO_TIMEOUT, 5000).

-record(segment, {first :: pos_integer(),
                  name :: file:filename_all(),
                  %% The end of its valid records, in bytes.
                  stop :: non_neg_integer()}).

%% A number of entries and their size on disk.
-record(load, {entries = 0 :: non_neg_integer(),
               bytes = 0 :: non_neg_integer()}).

-record(usage, {all = #load{} :: #load{},
                %% Without ephemeral entries.
                durable = #load{} :: #load{},
                %% The load of each operator.
                owners = #{} :: #{binary() => {All :: #load{}, Durable :: #load{}}}}).

%% The entries that fetch/3 returned last.
-record(batch, {last :: pos_integer(),
                %% The position behind it.
                next :: position(),
                usage :: #usage{}}).

%% A place in the files: the first seq of a segment, and an offset in that segment.
-type position() :: {pos_integer(), non_neg_integer()}.

-record(state, {config :: config(),
                name :: queue(),
                %% How many entries and bytes this queue may have now.
                limit = #load{} :: #load{},
                id :: mod_lhc_uuid:uuid() | undefined,
                %% The id as text.
                uuid :: binary() | undefined,
                %% Oldest first; entries are appended to the last one. Empty: the folder cannot be used now.
                segments = [] :: [#segment{}],
                fd :: file:fd() | undefined,
                cursor :: file:fd() | undefined,
                next = 1 :: pos_integer(),
                acked = 0 :: non_neg_integer(),
                %% The first entry that is not acknowledged.
                position :: position() | undefined,
                reader :: {pos_integer(), file:fd()} | undefined,
                batch :: #batch{} | undefined,
                %% Entries that are not acknowledged.
                usage = #usage{} :: #usage{},
                %% Entries that wait for the next sync, newest first.
                group = [] :: [{class(), iodata(), gen_server:from() | undefined, integer() | infinity}],
                group_size = 0 :: non_neg_integer(),
                group_bytes = 0 :: non_neg_integer(),
                %% The process that found the queue empty.
                waiter :: pid() | undefined,
                %% `state` entries were dropped, and on_loss has not been called.
                lost = false :: boolean(),
                %% Messages are refused, and that was logged.
                refusing = false :: boolean(),
                purge :: reference() | undefined,
                %% 1: casts in the mailbox; 2: `state` entries that were dropped before they got there.
                casts :: atomics:atomics_ref()}).

%%% ---------------------------------------------------------------- interface

-spec start_link(queue(), config()) -> {ok, pid()} | {error, term()}.
start_link(Queue, Config) ->
    gen_server:start_link(?MODULE, {Queue, Config}, []).

%% Adds an entry (the members of a JSON object, without braces) and waits until it is on disk. An entry that is not
%% written before the time-out (milliseconds) is never written.
-spec append(queue(), class(), iodata(), pos_integer()) -> ok | {error, full | share | disk | timeout | down}.
append(Queue, Class, Members, Timeout) ->
    Deadline = erlang:monotonic_time(millisecond) + Timeout,
    %% The call waits longer than the entry is valid, so no answer means that the disk is stuck.
    try gen_server:call(pid(Queue), {append, Class, Members, Deadline}, Timeout + ?CALL_MARGIN)
    catch
        exit:{timeout, _} -> {error, timeout};
        exit:_ -> {error, down}
    end.

%% Adds an entry without waiting. Entries of one process keep their order, including those of append/4.
-spec add(queue(), class(), iodata()) -> ok.
add({Table, Key}, Class, Members) ->
    case rows(Table, Key) of
        [] ->
            ok;
        [{_, Pid, Casts}] ->
            case atomics:add_get(Casts, 1, 1) of
                Waiting when Waiting > ?MAX_CASTS ->
                    atomics:sub(Casts, 1, 1),
                    %% Counted, so that the queue's process learns of the loss.
                    Class =:= state andalso atomics:add(Casts, 2, 1),
                    ok;
                _ ->
                    gen_server:cast(Pid, {add, Class, Members})
            end
    end.

rows(Table, Key) ->
    try ets:lookup(Table, Key)
    catch error:badarg -> []
    end.

pid({Table, Key}) ->
    case rows(Table, Key) of
        [{_, Pid, _}] -> Pid;
        [] -> exit(noproc)
    end.

%% Waits until all earlier entries are written.
-spec flush(queue()) -> ok.
flush(Queue) ->
    try gen_server:call(pid(Queue), flush, ?FLUSH_TIMEOUT)
    catch exit:_ -> ok
    end.

%% The oldest entries that are not acknowledged: at most this many, and at most this many bytes unless the first one is
%% longer. If there are none, the caller gets the message `mod_lhc_queue_more` when there are.
-spec fetch(queue(), pos_integer(), pos_integer()) ->
          {ok, QueueId :: binary(), First :: pos_integer(), Last :: pos_integer(), [binary()]} | empty.
fetch(Queue, Entries, Bytes) ->
    gen_server:call(pid(Queue), {fetch, Entries, Bytes}, infinity).

%% Acknowledges the entries of the last fetch/3, whose last seq has to be given.
-spec ack(queue(), pos_integer()) -> ok.
ack(Queue, Last) ->
    gen_server:call(pid(Queue), {ack, Last}, infinity).

-spec info(queue()) -> #{id := binary() | undefined, next := pos_integer(), acked := non_neg_integer(),
                         entries := non_neg_integer(), bytes := non_neg_integer()}.
info(Queue) ->
    gen_server:call(pid(Queue), info, ?INFO_TIMEOUT).

%% True if nothing waits in this folder, which no process uses: a queue that was empty for a while has only an empty
%% segment (see purge/1).
-spec is_empty(file:filename_all()) -> boolean().
is_empty(Dir) ->
    lists:all(fun(Name) -> filelib:file_size(filename:join(Dir, Name)) =< ?HEADER end,
              filelib:wildcard("*.{seg,bad}", to_list(Dir))).

%%% ---------------------------------------------------------------- gen_server

init({{Table, Key} = Queue, Config}) ->
    %% So that terminate/2 runs and writes the waiting entries.
    process_flag(trap_exit, true),
    Casts = atomics:new(2, [{signed, true}]),
    %% The row of a process that crashed, and whose mailbox is lost.
    Crashed = ets:member(Table, Key),
    State = #state{config = Config, name = Queue, casts = Casts, lost = Crashed},
    Ready = case open(State) of
                {ok, Opened} when Crashed ->
                    report_loss(Opened);
                {ok, Opened} ->
                    case Config of
                        #{first := First} -> commit(enqueue(state, First(), undefined, infinity, Opened));
                        _ -> Opened
                    end;
                {error, Reason} ->
                    %% ejabberd starts anyway. Operators' messages are refused until the folder can be used.
                    ?LOG_ERROR("mod_lhc: the queue in ~ts cannot be opened: ~p", [maps:get(dir, Config), Reason]),
                    erlang:send_after(?REOPEN_AFTER, self(), reopen),
                    State#state{lost = true}
            end,
    %% Now others find the queue, so the first entry is the first one.
    ets:insert(Table, {Key, self(), Casts}),
    {ok, Ready}.

%% The report of a crash has the mailbox and the reason, and with them operators' messages. So this process catches every
%% exception and ends with a reason that has no report. format_status is for the crashes that are not caught here.
handle_call(Request, From, State) ->
    mod_lhc_log:guarded(?MODULE, State, fun() -> call(Request, From, State) end).

handle_cast(Request, State) ->
    mod_lhc_log:guarded(?MODULE, State, fun() -> cast(Request, State) end).

handle_info(Message, State) ->
    mod_lhc_log:guarded(?MODULE, State, fun() -> info(Message, State) end).

terminate(Reason, State) ->
    mod_lhc_log:guarded(?MODULE, State, fun() -> ended(Reason, State) end).

format_status(Status) ->
    mod_lhc_log:status(Status).

-if(?OTP_RELEASE < 25).
-export([format_status/2]).
format_status(_, _) ->
    mod_lhc_log:status().
-endif.

call({append, Class, Members, Deadline}, From, State) ->
    {noreply, enqueue(Class, Members, From, Deadline, State)};
call(flush, _From, State) ->
    {reply, ok, commit(State)};
call({fetch, Entries, Bytes}, {Pid, _}, State) ->
    case read(Entries, Bytes, State) of
        {[], Read} -> {reply, empty, Read#state{waiter = Pid}};
        {Records, Read} ->
            {First, _} = hd(Records),
            {Last, _} = lists:last(Records),
            {reply, {ok, Read#state.uuid, First, Last, [Json || {_, Json} <- Records]}, Read}
    end;
call({ack, Last}, _From, #state{batch = #batch{last = Last} = Batch} = State) ->
    {reply, ok, acknowledge(Batch, State)};
call({ack, _}, _From, State) ->
    {reply, ok, State};
call(info, _From, #state{usage = #usage{all = #load{entries = Entries, bytes = Bytes}}} = State) ->
    {reply, #{id => State#state.uuid, next => State#state.next, acked => State#state.acked,
              entries => Entries, bytes => Bytes}, State}.

cast({add, Class, Members}, #state{casts = Casts} = State) ->
    atomics:sub(Casts, 1, 1),
    {noreply, enqueue(Class, Members, undefined, infinity, State)}.

info(commit, State) ->
    {noreply, commit(State)};
info(reopen, #state{segments = []} = State) ->
    {noreply, reopen(State)};
info(purge, State) ->
    {noreply, purge(State#state{purge = undefined})};
info(_, State) ->
    {noreply, State}.

ended(shutdown, #state{name = {Table, Key}} = State) ->
    _ = commit(State),
    ets:delete(Table, Key);
%% An unusual end, perhaps in the middle of a write. What waits is lost, and the next process says so. The mailbox is
%% emptied, because OTP's report of some ends has it.
ended(_, State) ->
    receive _ -> ended(unusual, State) after 0 -> ok end.

%%% ---------------------------------------------------------------- writing

%% The message `commit` comes behind everything that is in the mailbox now, so the group contains all of that.
enqueue(Class, Members, From, Deadline, #state{group = Group, group_size = Size} = State) ->
    Size =:= 0 andalso (self() ! commit),
    Next = State#state{group = [{Class, Members, From, Deadline} | Group],
                       group_size = Size + 1,
                       group_bytes = State#state.group_bytes + iolist_size(Members)},
    case Next of
        #state{group_size = N, group_bytes = Bytes} when N >= ?GROUP; Bytes >= ?GROUP_BYTES -> commit(Next);
        _ -> Next
    end.

commit(#state{group = []} = State) ->
    report_loss(State);
commit(#state{group = Group} = Full) ->
    State = update_limit(Full#state{group = [], group_size = 0, group_bytes = 0}),
    case rotate_if_long(State) of
        {ok, Ready} ->
            Now = erlang:monotonic_time(millisecond),
            {Records, Answers, Admitted} = admit(lists:reverse(Group), Now, [], [], Ready),
            case write(lists:reverse(Records), Admitted) of
                {ok, Written} ->
                    [gen_server:reply(From, Answer) || {From, Answer} <- Answers, From =/= undefined],
                    publish_usage(Written),
                    report_loss(notify_waiter(Records, Written));
                {error, Reason} ->
                    %% Ready and not Admitted, because no entry of this group counts.
                    refuse(Group, Reason, Ready)
            end;
        {error, Reason} ->
            refuse(Group, Reason, State)
    end.

refuse(Group, Reason, State) ->
    ?LOG_ERROR("mod_lhc: the queue in ~ts cannot be written: ~p", [dir(State), Reason]),
    [gen_server:reply(From, {error, disk}) || {_, _, From, _} <- Group, From =/= undefined],
    Lost = lists:any(fun({Class, _, _, _}) -> Class =:= state end, Group),
    discard(State#state{lost = State#state.lost orelse Lost}).

%% Gives each entry its record and its answer. Records and answers are newest first.
admit([], _Now, Records, Answers, State) ->
    {Records, Answers, State};
admit([{Class, Members, From, Deadline} | Rest], Now, Records, Answers, State) ->
    Content = iolist_to_binary(Members),
    Owner = owner(Content),
    case admission(Class, Owner, Deadline, Now, State) of
        ok ->
            #state{next = Seq, uuid = Uuid, usage = Usage} = State,
            Record = record(Seq, Class, Uuid, Content),
            Counted = State#state{next = Seq + 1, usage = count(Class, Owner, iolist_size(Record), Usage)},
            admit(Rest, Now, [Record | Records], [{From, ok} | Answers], Counted);
        {error, full} = Error ->
            admit(Rest, Now, Records, [{From, Error} | Answers], log_refusal(Class, note_loss(Class, State)));
        Error ->
            admit(Rest, Now, Records, [{From, Error} | Answers], note_loss(Class, State))
    end.

admission(_Class, _Owner, Deadline, Now, _State) when is_integer(Deadline), Now >= Deadline ->
    {error, timeout};
admission(Class, Owner, _Deadline, _Now, State) ->
    case {has_room(Class, State), has_share(Class, Owner, State)} of
        {true, true} -> ok;
        {false, _} -> {error, full};
        {true, false} -> {error, share}
    end.

%% Pings and chat states may fill three quarters of the bound, and do not count against the other classes. So however many
%% of them wait, as many messages fit as without them. Sessions, presence and delivery have a quarter more than messages.
%% At most twice the bound is on disk.
has_room(_Class, #state{segments = []}) -> false;
has_room(ephemeral, #state{usage = #usage{all = All}} = State) -> is_below(All, 3, State);
has_room(message, #state{usage = #usage{durable = Durable}} = State) -> is_below(Durable, 4, State);
has_room(state, #state{usage = #usage{durable = Durable}} = State) -> is_below(Durable, 5, State).

%% The same for the load of one operator, whose bound is a share of the queue.
has_share(_Class, none, _State) ->
    true;
has_share(Class, Owner, #state{usage = #usage{owners = Owners}, limit = Limit, config = #{max_operator_share := Share}}) ->
    case Owners of
        #{Owner := {All, Durable}} ->
            {Load, Quarters} = case Class of
                                   ephemeral -> {All, 3};
                                   message -> {Durable, 4};
                                   state -> {Durable, 5}
                               end,
            is_below(Load, Quarters * Share / 100, Limit);
        _ -> true
    end.

%% True if the load is below so many quarters of the limit.
is_below(Load, Quarters, #state{limit = Limit}) ->
    is_below(Load, Quarters, Limit);
is_below(#load{entries = Entries, bytes = Bytes}, Quarters, #load{entries = MaxEntries, bytes = MaxBytes}) ->
    Entries * 4 < MaxEntries * Quarters andalso Bytes * 4 < MaxBytes * Quarters.

update_limit(#state{config = #{usage := Slot, max_entries := MaxEntries, max_bytes := MaxBytes}} = State) ->
    {Entries, Bytes} = mod_lhc_usage:limit(Slot, {MaxEntries, MaxBytes}),
    State#state{limit = #load{entries = Entries, bytes = Bytes}}.

publish_usage(#state{config = #{usage := Slot}, usage = #usage{all = #load{entries = Entries, bytes = Bytes}}}) ->
    mod_lhc_usage:set(Slot, Entries, Bytes).

log_refusal(message, #state{refusing = false, usage = #usage{all = #load{entries = Entries, bytes = Bytes}}} = State) ->
    ?LOG_ERROR("mod_lhc: operators' messages are refused: ~b events (~b bytes) wait in ~ts",
               [Entries, Bytes, dir(State)]),
    State#state{refusing = true};
log_refusal(_, State) ->
    State.

note_loss(state, State) -> State#state{lost = true};
note_loss(_, State) -> State.

%% The operator that an entry is about: the local part of its first `user` or `from`. Only numbers, a time, a host and a
%% type come before that, so nothing that an operator wrote is mistaken for it.
-spec owner(binary()) -> binary() | none.
owner(Json) ->
    case binary:match(Json, [<<",\"user\":\"">>, <<",\"from\":\"">>]) of
        nomatch -> none;
        {At, Length} ->
            Start = At + Length,
            [Owner | _] = binary:split(binary:part(Json, Start, byte_size(Json) - Start), [<<"@">>, <<"\"">>]),
            binary:copy(Owner)
    end.

%% Adds an entry of this class, operator and size.
count(Class, Owner, Size, #usage{all = All, durable = Durable, owners = Owners}) ->
    #usage{all = plus(All, Size), durable = plus(Class, Durable, Size),
           owners = case Owner of
                        none -> Owners;
                        _ ->
                            {Own, OwnDurable} = maps:get(Owner, Owners, {#load{}, #load{}}),
                            Owners#{Owner => {plus(Own, Size), plus(Class, OwnDurable, Size)}}
                    end}.

subtract(#usage{} = A, #usage{} = B) ->
    Owners = maps:fold(fun(Owner, {All, Durable}, Acc) ->
                               {OldAll, OldDurable} = maps:get(Owner, Acc, {All, Durable}),
                               case minus(OldAll, All) of
                                   #load{entries = 0} -> maps:remove(Owner, Acc);
                                   Left -> Acc#{Owner => {Left, minus(OldDurable, Durable)}}
                               end
                       end, A#usage.owners, B#usage.owners),
    #usage{all = minus(A#usage.all, B#usage.all), durable = minus(A#usage.durable, B#usage.durable), owners = Owners}.

plus(ephemeral, Durable, _Size) -> Durable;
plus(_, Durable, Size) -> plus(Durable, Size).

plus(#load{entries = Entries, bytes = Bytes}, Size) ->
    #load{entries = Entries + 1, bytes = Bytes + Size}.

minus(#load{} = A, #load{} = B) ->
    #load{entries = A#load.entries - B#load.entries, bytes = A#load.bytes - B#load.bytes}.

record(Seq, Class, Uuid, Members) ->
    Json = iolist_to_binary([<<"{\"queueId\":\"">>, Uuid, <<"\",\"seq\":">>, integer_to_binary(Seq), $,, Members, $}]),
    Checked = <<Seq:64, (class_code(Class)):8, Json/binary>>,
    [<<(byte_size(Json)):32, (erlang:crc32(Checked)):32>>, Checked].

class_code(message) -> 1;
class_code(state) -> 2;
class_code(ephemeral) -> 3.

class(3) -> ephemeral;
class(2) -> state;
class(_) -> message.

write([], State) ->
    {ok, State};
write(Records, #state{fd = Fd, segments = Segments} = State) ->
    Segment = lists:last(Segments),
    %% At the known end of the records, not at the end of the file: a failed write may have left bytes there.
    case file:pwrite(Fd, Segment#segment.stop, Records) of
        ok ->
            case file:datasync(Fd) of
                ok ->
                    Stop = Segment#segment.stop + iolist_size(Records),
                    {ok, State#state{segments = lists:droplast(Segments) ++ [Segment#segment{stop = Stop}]}};
                Error -> Error
            end;
        Error -> Error
    end.

rotate_if_long(#state{segments = []} = State) ->
    {ok, State};
rotate_if_long(#state{segments = Segments, config = Config} = State) ->
    Limit = maps:get(segment_bytes, Config, ?SEGMENT_BYTES),
    case (lists:last(Segments))#segment.stop >= Limit of
        true -> rotate(State);
        false -> {ok, State}
    end.

%% Begins a new segment. The newest one must have entries, so that the new one has another name.
rotate(#state{segments = Segments, fd = Fd, next = Next} = State) ->
    case create_segment(dir(State), State#state.id, Next) of
        {ok, Segment, NewFd} ->
            _ = file:close(Fd),
            {ok, State#state{segments = Segments ++ [Segment], fd = NewFd}};
        Error -> Error
    end.

notify_waiter([], State) -> State;
notify_waiter(_, #state{waiter = undefined} = State) -> State;
notify_waiter(_, #state{waiter = Pid} = State) ->
    Pid ! mod_lhc_queue_more,
    State#state{waiter = undefined}.

%% After a failed write or sync the content of the disk is unknown. Cuts off the records of this group, whose senders got
%% an error, and reads all files again.
discard(#state{fd = Fd, segments = Segments} = State) ->
    case Segments of
        [] -> ok;
        _ ->
            _ = file:position(Fd, (lists:last(Segments))#segment.stop),
            _ = file:truncate(Fd)
    end,
    reopen(State).

reopen(State) ->
    Closed = close(State),
    case open(Closed) of
        {ok, Opened} ->
            ?LOG_NOTICE("mod_lhc: the queue in ~ts is open", [dir(State)]),
            report_loss(notify_waiter([reopened], Opened));
        {error, _} ->
            erlang:send_after(?REOPEN_AFTER, self(), reopen),
            Closed
    end.

close(State) ->
    [file:close(File) || File <- [State#state.fd, State#state.cursor], File =/= undefined],
    (close_reader(State))#state{fd = undefined, cursor = undefined, segments = [], batch = undefined}.

%% Calls on_loss if state was lost and half of the room is free again, also of each operator's share. With less room it
%% would soon be lost again.
report_loss(#state{casts = Casts} = Full) ->
    Before = update_limit(Full),
    State = case atomics:get(Casts, 2) of
                0 -> Before;
                N -> atomics:sub(Casts, 2, N), Before#state{lost = true}
            end,
    case State of
        #state{lost = false, refusing = false} -> State;
        #state{segments = []} -> State;
        #state{usage = #usage{durable = Durable}, lost = Lost, config = #{on_loss := OnLoss}} ->
            case is_below(Durable, 2, State) andalso (not Lost orelse have_shares(State)) of
                true ->
                    Lost andalso spawn(OnLoss),
                    State#state{lost = false, refusing = false};
                false -> State
            end
    end.

have_shares(#state{usage = #usage{owners = Owners}, limit = Limit, config = #{max_operator_share := Share}}) ->
    lists:all(fun({_, Durable}) -> is_below(Durable, 2 * Share / 100, Limit) end, maps:values(Owners)).

%%% ---------------------------------------------------------------- reading and acknowledging

read(_Entries, _Bytes, #state{segments = []} = State) ->
    {[], State};
read(Entries, Bytes, #state{position = Position, acked = Acked} = State) ->
    read(Entries, Bytes, Position, Acked, [], #usage{}, State).

%% Records, newest first, from this position on: at most so many entries and bytes. Last is the seq before the position.
read(Entries, Bytes, {First, Offset} = Position, Last, Records, Usage, #state{segments = Segments} = State) ->
    #segment{stop = Stop} = Segment = lists:keyfind(First, #segment.first, Segments),
    case {Entries, Offset < Stop} of
        {0, _} ->
            set_batch(Position, Last, Records, Usage, State);
        {_, false} ->
            case [S || S <- Segments, S#segment.first > First] of
                [#segment{first = Next} | _] ->
                    read(Entries, Bytes, {Next, ?HEADER}, Last, Records, Usage, State);
                [] ->
                    set_batch(Position, Last, Records, Usage, State)
            end;
        {_, true} ->
            {Fd, Opened} = reader(Segment, State),
            {ok, <<Length:32, Crc:32, Seq:64, Class:8>>} = file:pread(Fd, Offset, ?RECORD),
            case Records =/= [] andalso Length > Bytes of
                true ->
                    set_batch(Position, Last, Records, Usage, Opened);
                false ->
                    {ok, Json} = file:pread(Fd, Offset + ?RECORD, Length),
                    %% Correct when it was written or opened. If it no longer is, this process crashes, and its next start
                    %% reads what is left and logs the damage.
                    Crc = erlang:crc32(<<Seq:64, Class:8, Json/binary>>),
                    Size = ?RECORD + Length,
                    read(Entries - 1, Bytes - Length, {First, Offset + Size}, Seq, [{Seq, Json} | Records],
                         count(class(Class), owner(Json), Size, Usage), Opened)
            end
    end.

set_batch(Position, _Last, [], _Usage, State) ->
    {[], State#state{position = Position}};
set_batch(Position, Last, Records, Usage, State) ->
    {lists:reverse(Records), State#state{batch = #batch{last = Last, next = Position, usage = Usage}}}.

reader(#segment{first = First}, #state{reader = {First, Fd}} = State) ->
    {Fd, State};
reader(#segment{first = First, name = Name}, State) ->
    Closed = close_reader(State),
    {ok, Fd} = file:open(Name, [read, raw, binary]),
    {Fd, Closed#state{reader = {First, Fd}}}.

acknowledge(#batch{last = Last, next = Position, usage = Usage}, State) ->
    %% Not synced. A kill -9 does not lose it. After a power failure entries appear again, and a reader recognises them by
    %% their seq.
    _ = file:pwrite(State#state.cursor, 0, cursor(State#state.id, Last)),
    Acknowledged = State#state{acked = Last, position = Position, batch = undefined,
                               usage = subtract(State#state.usage, Usage)},
    publish_usage(Acknowledged),
    report_loss(purge_later(delete_acknowledged(Acknowledged))).

delete_acknowledged(#state{segments = Segments, position = {First, _}} = State) ->
    case lists:splitwith(fun(#segment{first = F}) -> F < First end, Segments) of
        {[], _} ->
            State;
        {Acknowledged, Others} ->
            [file:delete(Name) || #segment{name = Name} <- Acknowledged],
            %% A deleted file keeps its space on disk while it is open.
            close_reader(State#state{segments = Others})
    end.

close_reader(#state{reader = undefined} = State) ->
    State;
close_reader(#state{reader = {_, Fd}} = State) ->
    _ = file:close(Fd),
    State#state{reader = undefined}.

purge_later(#state{purge = undefined, usage = #usage{all = #load{entries = 0}}, config = Config} = State) ->
    State#state{purge = erlang:send_after(maps:get(purge_after, Config, ?PURGE_AFTER), self(), purge)};
purge_later(State) ->
    State.

%% If the queue is still empty: begins an empty segment and deletes the old one, which contains operators' messages.
purge(#state{group = [], usage = #usage{all = #load{entries = 0}}, segments = [#segment{stop = Stop}]} = State)
  when Stop > ?HEADER ->
    case rotate(State) of
        {ok, #state{segments = Segments} = Rotated} ->
            delete_acknowledged(Rotated#state{position = {(lists:last(Segments))#segment.first, ?HEADER}});
        {error, _} ->
            State
    end;
purge(State) ->
    State.

%%% ---------------------------------------------------------------- opening

open(#state{config = #{dir := Dir}} = State) ->
    try
        ok = need(filelib:ensure_dir(filename:join(Dir, "x"))),
        _ = file:change_mode(Dir, 8#700),
        {Scanned, Cut} = scan(Dir, lists:sort(filelib:wildcard("*.seg", to_list(Dir)))),
        Id = case Scanned of
                 [] -> mod_lhc_uuid:new();
                 _ -> element(1, lists:last(Scanned))
             end,
        Acked = max(State#state.acked, read_cursor(Dir, Id)),
        Newest = lists:max([Acked | [Seq || {_, _, Entries} <- Scanned, {Seq, _, _, _, _} <- Entries]]
                           ++ [First - 1 || {_, #segment{first = First}, _} <- Scanned]),
        %% Each byte that was cut off could have been an entry that a reader has seen.
        Next = max(Newest + 1 + Cut, State#state.next),
        {Segments, Fd} = open_newest(Dir, Id, Next, [Segment || {_, Segment, _} <- Scanned]),
        {ok, Cursor} = need(file:open(filename:join(Dir, "cursor"), [read, write, raw, binary])),
        Usage = lists:foldl(fun({_, Class, Owner, Size, _}, Acc) -> count(Class, Owner, Size, Acc) end, #usage{},
                            [Entry || {_, _, Entries} <- Scanned, {Seq, _, _, _, _} = Entry <- Entries, Seq > Acked]),
        Opened = State#state{id = Id, uuid = mod_lhc_uuid:text(Id), segments = Segments, fd = Fd, cursor = Cursor,
                             next = Next, acked = Acked, batch = undefined, usage = Usage,
                             position = first_position(Acked, Scanned, Segments)},
        publish_usage(Opened),
        {ok, update_limit(delete_acknowledged(Opened))}
    catch
        throw:{cannot, Reason} -> {error, Reason}
    end.

need({error, Reason}) -> throw({cannot, Reason});
need(Result) -> Result.

%% Reads all segments, oldest first. Returns for each the id of its queue, the segment, and its entries as
%% {Seq, Class, Owner, Size, Offset}; and how many bytes were cut off in all.
scan(Dir, Names) ->
    lists:foldl(fun(Name, {Scanned, Cut}) ->
                        Path = filename:join(Dir, Name),
                        {ok, Content} = need(file:read_file(Path)),
                        case segment(Path, Content) of
                            {ok, Id, Segment, Entries} ->
                                Rest = byte_size(Content) - Segment#segment.stop,
                                Rest > 0 andalso
                                    ?LOG_WARNING("mod_lhc: ~b bytes at the end of ~ts cannot be read and are cut off "
                                                 "(an unfinished write when the machine or ejabberd died, or a "
                                                 "damaged disk)", [Rest, Path]),
                                {Scanned ++ [{Id, Segment, Entries}], Cut + Rest};
                            error when byte_size(Content) =< ?HEADER ->
                                %% Its creation was not finished.
                                _ = file:delete(Path),
                                {Scanned, Cut};
                            error ->
                                ?LOG_ERROR("mod_lhc: ~ts is damaged and is renamed to .bad", [Path]),
                                _ = file:rename(Path, [Path, ".bad"]),
                                {Scanned, Cut + byte_size(Content)}
                        end
                end, {[], 0}, Names).

segment(Path, <<"LHCQ", ?VERSION:8, Id:16/binary, First:64, Crc:32, Records/binary>>) ->
    case erlang:crc32(<<"LHCQ", ?VERSION:8, Id/binary, First:64>>) of
        Crc ->
            {Entries, Stop} = entries(Records, ?HEADER, []),
            {ok, Id, #segment{first = First, name = Path, stop = Stop}, Entries};
        _ -> error
    end;
segment(_, _) ->
    error.

%% The entries up to the first record that is incomplete or damaged, and where they end.
entries(<<Length:32, Crc:32, Seq:64, Class:8, Json:Length/binary, Rest/binary>>, Offset, Entries) ->
    case erlang:crc32(<<Seq:64, Class:8, Json/binary>>) of
        Crc ->
            Size = ?RECORD + Length,
            entries(Rest, Offset + Size, [{Seq, class(Class), owner(Json), Size, Offset} | Entries]);
        _ ->
            {lists:reverse(Entries), Offset}
    end;
entries(_, Offset, Entries) ->
    {lists:reverse(Entries), Offset}.

first_position(Acked, Scanned, Segments) ->
    Waiting = [{First, Offset} || {_, #segment{first = First}, Entries} <- Scanned,
                                  {Seq, _, _, _, Offset} <- Entries, Seq > Acked],
    case Waiting of
        [Position | _] -> Position;
        [] ->
            #segment{first = First, stop = Stop} = lists:last(Segments),
            {First, Stop}
    end.

%% Goes on in the newest segment, or creates the first one. Syncs the newest one, which may have been written just before
%% ejabberd was killed: a reader gets synced entries only.
open_newest(Dir, Id, Next, []) ->
    {ok, Segment, Fd} = need(create_segment(Dir, Id, Next)),
    {[Segment], Fd};
open_newest(_Dir, _Id, _Next, Segments) ->
    #segment{name = Name, stop = Stop} = lists:last(Segments),
    {ok, Fd} = need(file:open(Name, [read, write, raw, binary])),
    {ok, Stop} = need(file:position(Fd, Stop)),
    ok = need(file:truncate(Fd)),
    ok = need(file:datasync(Fd)),
    {Segments, Fd}.

create_segment(Dir, Id, First) ->
    Name = filename:join(Dir, io_lib:format("~20..0b.seg", [First])),
    case file:open(Name, [read, write, raw, binary]) of
        {ok, Fd} ->
            _ = file:change_mode(Name, 8#600),
            case write_header(Fd, Id, First) of
                ok ->
                    sync_dir(Dir),
                    {ok, #segment{first = First, name = Name, stop = ?HEADER}, Fd};
                Error ->
                    _ = file:close(Fd),
                    Error
            end;
        Error -> Error
    end.

write_header(Fd, Id, First) ->
    Checked = <<"LHCQ", ?VERSION:8, Id/binary, First:64>>,
    case file:pwrite(Fd, 0, [Checked, <<(erlang:crc32(Checked)):32>>]) of
        ok -> file:sync(Fd);
        Error -> Error
    end.

%% So that the name of a new file is on disk too. Some file systems cannot sync folders; that is ignored.
sync_dir(Dir) ->
    case file:open(Dir, [read, raw, directory]) of
        {ok, Fd} ->
            _ = file:sync(Fd),
            _ = file:close(Fd),
            ok;
        {error, _} -> ok
    end.

cursor(Id, Acked) ->
    Checked = <<"LHCC", ?VERSION:8, Id/binary, Acked:64>>,
    <<Checked/binary, (erlang:crc32(Checked)):32>>.

%% If the cursor is missing, damaged or from another queue, acknowledged entries appear again.
read_cursor(Dir, Id) ->
    case file:read_file(filename:join(Dir, "cursor")) of
        {ok, <<"LHCC", ?VERSION:8, Id:16/binary, Acked:64, Crc:32>>} ->
            case erlang:crc32(<<"LHCC", ?VERSION:8, Id/binary, Acked:64>>) of
                Crc -> Acked;
                _ -> 0
            end;
        _ -> 0
    end.

dir(#state{config = #{dir := Dir}}) -> Dir.

to_list(Dir) when is_binary(Dir) -> unicode:characters_to_list(Dir);
to_list(Dir) -> Dir.
