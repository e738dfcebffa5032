%%% The durable queue between ejabberd's hooks and the sender: one for each virtual host, one process, its files in a
%%% folder of its own.
%%%
%%% Promises:
%%%   * append/4 answers ok after the entry is synced to the disk. Everybody who waits shares one sync.
%%%   * Only what is synced is ever handed out, so no entry that somebody has seen is lost, and no seq is used twice,
%%%     even if the machine loses its power.
%%%   * It is bounded, in entries and in bytes (see room/3).
%%%   * Whatever the files look like after a crash, it opens: what can be read is kept, what was cut off is logged, and
%%%     the numbering jumps over what may have been there.
%%%
%%% Files: `{first seq, 20 digits}.seg`, each a header and records; entries are appended to the newest. `cursor` holds
%%% the seq up to which entries were acknowledged. A segment goes when its last entry was acknowledged, and the newest
%%% is replaced by an empty one when the queue has been empty for a few seconds: what operators wrote does not stay on
%%% the disk longer than needed.
%%%
%%%   header   "LHCQ" version:8 queueId:16/binary first:64 crc:32
%%%   record   length:32 crc:32 seq:64 class:8 json:length/binary      (the crc covers seq, class and json)
%%%   cursor   "LHCC" version:8 queueId:16/binary acked:64 crc:32

-module(mod_lhc_queue).
-behaviour(gen_server).

-export([start_link/2, append/4, add/3, flush/1, fetch/3, ack/2, info/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-include_lib("kernel/include/logger.hrl").

-type queue() :: atom().

%% What may be dropped when there is no room: `ephemeral` first (pings and chat states), then `message` (its sender is
%% told, append/4 says no), last `state` (sessions, presence, delivery: whoever reads is told by on_loss).
-type class() :: message | state | ephemeral.

-type config() :: #{dir := file:filename_all(),
                    max_entries := pos_integer(),
                    max_bytes := pos_integer(),
                    %% Called, in a process of its own, when `state` entries were dropped and there is room again.
                    on_loss := fun(() -> term()),
                    segment_bytes => pos_integer(),
                    purge_after => pos_integer()}.

-export_type([queue/0, class/0]).

-define(VERSION, 1).
-define(HEADER, 33).
-define(RECORD, 17).
-define(SEGMENT_BYTES, 4 * 1024 * 1024).
-define(PURGE_AFTER, 5000).
%% A group is written at once when it is this large, though more may be waiting.
-define(GROUP, 512).
-define(GROUP_BYTES, 1024 * 1024).
%% Casts that may wait in the mailbox while the disk is stuck.
-define(MAX_CASTS, 20000).
-define(REOPEN_AFTER, 1000).

-record(segment, {first :: pos_integer(),
                  name :: file:filename_all(),
                  %% Where its valid records end.
                  stop :: non_neg_integer()}).

%% How much of something there is.
-record(load, {entries = 0 :: non_neg_integer(),
               bytes = 0 :: non_neg_integer()}).

-record(state, {config :: config(),
                name :: queue(),
                id :: binary() | undefined,
                uuid :: binary() | undefined,
                %% Oldest first; the last one is written to. None: the folder cannot be used at the moment.
                segments = [] :: [#segment{}],
                fd :: file:fd() | undefined,
                cursor :: file:fd() | undefined,
                next = 1 :: pos_integer(),
                acked = 0 :: non_neg_integer(),
                %% Where the first entry that is not acknowledged begins: {first seq of its segment, offset}.
                position :: {pos_integer(), non_neg_integer()} | undefined,
                reader :: {pos_integer(), file:fd()} | undefined,
                %% What was handed out last: up to which seq, where the next begins, how much it is.
                taken :: {pos_integer(), {pos_integer(), non_neg_integer()}, #load{}, #load{}} | undefined,
                all = #load{} :: #load{},
                lasting = #load{} :: #load{},
                group = [] :: [{class(), iodata(), gen_server:from() | undefined, integer() | infinity}],
                group_size = 0 :: non_neg_integer(),
                group_bytes = 0 :: non_neg_integer(),
                waiter :: pid() | undefined,
                lost = false :: boolean(),
                %% Messages are being refused, and the log says so.
                refusing = false :: boolean(),
                purge :: reference() | undefined,
                casts :: atomics:atomics_ref()}).

%%% ---------------------------------------------------------------- interface

-spec start_link(queue(), config()) -> {ok, pid()} | {error, term()}.
start_link(Queue, Config) ->
    gen_server:start_link({local, Queue}, ?MODULE, {Queue, Config}, []).

%% Adds an entry (the members of a JSON object, without braces) and waits until it is on the disk. An entry that could
%% not be written before the time-out (milliseconds) is not written later either.
-spec append(queue(), class(), iodata(), pos_integer()) -> ok | {error, full | disk | timeout | down}.
append(Queue, Class, Members, Timeout) ->
    Deadline = erlang:monotonic_time(millisecond) + Timeout,
    %% The call waits a little longer than the entry is valid: no answer then really means that the disk is stuck.
    try gen_server:call(Queue, {append, Class, Members, Deadline}, Timeout + 500)
    catch
        exit:{timeout, _} -> {error, timeout};
        exit:_ -> {error, down}
    end.

%% Adds an entry without waiting. Entries of one process keep their order, those of append/4 included.
-spec add(queue(), class(), iodata()) -> ok.
add(Queue, Class, Members) ->
    case persistent_term:get({?MODULE, Queue}, undefined) of
        undefined ->
            ok;
        Casts ->
            case atomics:add_get(Casts, 1, 1) of
                Waiting when Waiting > ?MAX_CASTS ->
                    atomics:sub(Casts, 1, 1),
                    %% Counted, so that the process knows of the loss when it gets to it.
                    Class =:= state andalso atomics:add(Casts, 2, 1),
                    ok;
                _ ->
                    gen_server:cast(Queue, {add, Class, Members})
            end
    end.

%% Waits until everything that was added before is written.
-spec flush(queue()) -> ok.
flush(Queue) ->
    try gen_server:call(Queue, flush, 2000)
    catch exit:_ -> ok
    end.

%% The oldest entries that are not acknowledged: at most this many, and at most this many bytes unless one alone is
%% longer. When there are none the caller gets the message `mod_lhc_queue_more` once there are.
-spec fetch(queue(), pos_integer(), pos_integer()) ->
          {ok, QueueId :: binary(), First :: pos_integer(), Last :: pos_integer(), [binary()]} | empty.
fetch(Queue, Entries, Bytes) ->
    gen_server:call(Queue, {fetch, Entries, Bytes}, infinity).

%% The entries handed out last, up to this seq, are done with.
-spec ack(queue(), pos_integer()) -> ok.
ack(Queue, Last) ->
    gen_server:call(Queue, {ack, Last}, infinity).

-spec info(queue()) -> #{id := binary() | undefined, next := pos_integer(), acked := non_neg_integer(),
                         entries := non_neg_integer(), bytes := non_neg_integer()}.
info(Queue) ->
    gen_server:call(Queue, info, 5000).

%%% ---------------------------------------------------------------- gen_server

init({Queue, Config}) ->
    %% terminate/2 writes what is waiting.
    process_flag(trap_exit, true),
    Casts = atomics:new(2, [{signed, true}]),
    %% Left behind by a process that crashed: what was in its mailbox is lost.
    Crashed = persistent_term:get({?MODULE, Queue}, undefined) =/= undefined,
    persistent_term:put({?MODULE, Queue}, Casts),
    State = #state{config = Config, name = Queue, casts = Casts, lost = Crashed},
    case open(State) of
        {ok, Opened} ->
            {ok, settle_loss(Opened)};
        {error, Reason} ->
            %% ejabberd starts all the same: operators' messages are refused until the folder can be used.
            ?LOG_ERROR("mod_lhc: the queue in ~ts cannot be opened: ~p", [maps:get(dir, Config), Reason]),
            erlang:send_after(?REOPEN_AFTER, self(), reopen),
            {ok, State#state{lost = true}}
    end.

handle_call({append, Class, Members, Deadline}, From, State) ->
    {noreply, enqueue(Class, Members, From, Deadline, State)};
handle_call(flush, _From, State) ->
    {reply, ok, commit(State)};
handle_call({fetch, Entries, Bytes}, {Pid, _}, State) ->
    case read(Entries, Bytes, State) of
        {[], Read} -> {reply, empty, Read#state{waiter = Pid}};
        {Records, Read} ->
            {First, _} = hd(Records),
            {Last, _} = lists:last(Records),
            {reply, {ok, Read#state.uuid, First, Last, [Json || {_, Json} <- Records]}, Read}
    end;
handle_call({ack, Last}, _From, #state{taken = {Last, Position, All, Lasting}} = State) ->
    {reply, ok, acknowledged(Last, Position, All, Lasting, State)};
handle_call({ack, _}, _From, State) ->
    {reply, ok, State};
handle_call(info, _From, #state{all = All} = State) ->
    {reply, #{id => State#state.uuid, next => State#state.next, acked => State#state.acked,
              entries => All#load.entries, bytes => All#load.bytes}, State}.

handle_cast({add, Class, Members}, #state{casts = Casts} = State) ->
    atomics:sub(Casts, 1, 1),
    {noreply, enqueue(Class, Members, undefined, infinity, State)}.

handle_info(commit, State) ->
    {noreply, commit(State)};
handle_info(reopen, #state{segments = []} = State) ->
    {noreply, reopen(State)};
handle_info(purge, State) ->
    {noreply, purge(State#state{purge = undefined})};
handle_info(_, State) ->
    {noreply, State}.

terminate(Reason, #state{name = Queue} = State) ->
    _ = commit(State),
    _ = Reason =:= shutdown andalso persistent_term:erase({?MODULE, Queue}),
    ok.

%%% ---------------------------------------------------------------- writing

%% The message to ourselves queues behind all that is in the mailbox now, so the group is whoever came meanwhile.
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
    settle_loss(State);
commit(#state{group = Group} = State0) ->
    State = State0#state{group = [], group_size = 0, group_bytes = 0},
    case rotate_if_long(State) of
        {ok, Ready} ->
            Now = erlang:monotonic_time(millisecond),
            {Records, Answers, Admitted} = admit(lists:reverse(Group), Now, [], [], Ready),
            case write(lists:reverse(Records), Admitted) of
                {ok, Written} ->
                    [gen_server:reply(From, Answer) || {From, Answer} <- Answers, From =/= undefined],
                    settle_loss(tell_waiter(Records, Written));
                {error, Reason} ->
                    %% Ready, not Admitted: nothing of this group counts.
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

admit([], _Now, Records, Answers, State) ->
    {Records, Answers, State};
admit([{Class, Members, From, Deadline} | Rest], Now, Records, Answers, State) ->
    #state{next = Seq, uuid = Uuid, all = All, lasting = Lasting} = State,
    case Deadline =:= infinity orelse Now < Deadline of
        false ->
            admit(Rest, Now, Records, [{From, {error, timeout}} | Answers], lose(Class, State));
        true ->
            case room(Class, State) of
                false ->
                    Refused = refusing(Class, lose(Class, State)),
                    admit(Rest, Now, Records, [{From, {error, full}} | Answers], Refused);
                true ->
                    Record = record(Seq, Class, Uuid, Members),
                    Size = iolist_size(Record),
                    Counted = State#state{next = Seq + 1,
                                          all = plus(All, Size),
                                          lasting = case Class of
                                                        ephemeral -> Lasting;
                                                        _ -> plus(Lasting, Size)
                                                    end},
                    admit(Rest, Now, [Record | Records], [{From, ok} | Answers], Counted)
            end
    end.

%% Pings and chat states have three quarters of the room, and what lasts is not counted against them: however many of
%% them wait, as many messages fit as if there were none. Sessions, presence and delivery have a quarter more. So at
%% most twice the bound is ever on the disk.
room(_Class, #state{segments = []}) -> false;
room(ephemeral, #state{all = All} = State) -> below(All, 3, State);
room(message, #state{lasting = Lasting} = State) -> below(Lasting, 4, State);
room(state, #state{lasting = Lasting} = State) -> below(Lasting, 5, State).

below(#load{entries = Entries, bytes = Bytes}, Quarters, #state{config = Config}) ->
    #{max_entries := MaxEntries, max_bytes := MaxBytes} = Config,
    Entries * 4 < MaxEntries * Quarters andalso Bytes * 4 < MaxBytes * Quarters.

refusing(message, #state{refusing = false, all = #load{entries = Entries, bytes = Bytes}} = State) ->
    ?LOG_ERROR("mod_lhc: operators' messages are refused: ~b events (~b bytes) wait in ~ts",
               [Entries, Bytes, dir(State)]),
    State#state{refusing = true};
refusing(_, State) ->
    State.

lose(state, State) -> State#state{lost = true};
lose(_, State) -> State.

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

write([], State) ->
    {ok, State};
write(Records, #state{fd = Fd, segments = Segments} = State) ->
    Segment = lists:last(Segments),
    %% At the place that we know, not at the file's end: what a failed write left behind is written over.
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

%% Only for a newest segment with entries, so that the new one has another name.
rotate(#state{segments = Segments, fd = Fd, next = Next} = State) ->
    case create_segment(dir(State), State#state.id, Next) of
        {ok, Segment, NewFd} ->
            _ = file:close(Fd),
            {ok, State#state{segments = Segments ++ [Segment], fd = NewFd}};
        Error -> Error
    end.

tell_waiter([], State) -> State;
tell_waiter(_, #state{waiter = undefined} = State) -> State;
tell_waiter(_, #state{waiter = Pid} = State) ->
    Pid ! mod_lhc_queue_more,
    State#state{waiter = undefined}.

%% After a failed write or sync nobody knows what is on the disk: cut off what may be there of this group (its senders
%% were told no), forget all that we believed of the files, and read them again.
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
            settle_loss(tell_waiter([again], Opened));
        {error, _} ->
            erlang:send_after(?REOPEN_AFTER, self(), reopen),
            Closed
    end.

close(State) ->
    [file:close(File) || File <- [State#state.fd, State#state.cursor], File =/= undefined],
    (close_reader(State))#state{fd = undefined, cursor = undefined, segments = [], taken = undefined}.

%% Says that state was lost when half of the room is free again, not sooner: or it would be lost again at once.
settle_loss(#state{casts = Casts} = State0) ->
    State = case atomics:get(Casts, 2) of
                0 -> State0;
                N -> atomics:sub(Casts, 2, N), State0#state{lost = true}
            end,
    case State of
        #state{lost = false, refusing = false} -> State;
        #state{segments = []} -> State;
        #state{lasting = Lasting, lost = Lost, config = #{on_loss := OnLoss}} ->
            case below(Lasting, 2, State) of
                true ->
                    Lost andalso spawn(OnLoss),
                    State#state{lost = false, refusing = false};
                false -> State
            end
    end.

%%% ---------------------------------------------------------------- reading and acknowledging

read(_Entries, _Bytes, #state{segments = []} = State) ->
    {[], State};
read(Entries, Bytes, #state{position = Position, acked = Acked} = State) ->
    take(Entries, Bytes, Position, Acked, [], #load{}, #load{}, State).

take(Entries, Bytes, {First, Offset} = Position, Seq, Taken, All, Lasting, #state{segments = Segments} = State) ->
    #segment{stop = Stop} = Segment = lists:keyfind(First, #segment.first, Segments),
    case {Entries, Offset < Stop} of
        {0, _} ->
            taken(Position, Seq, Taken, All, Lasting, State);
        {_, false} ->
            case [S || S <- Segments, S#segment.first > First] of
                [#segment{first = Next} | _] ->
                    take(Entries, Bytes, {Next, ?HEADER}, Seq, Taken, All, Lasting, State);
                [] ->
                    taken(Position, Seq, Taken, All, Lasting, State)
            end;
        {_, true} ->
            {Fd, Opened} = reader(Segment, State),
            {ok, <<Length:32, Crc:32, NextSeq:64, Class:8>>} = file:pread(Fd, Offset, ?RECORD),
            case Taken =/= [] andalso Length > Bytes of
                true ->
                    taken(Position, Seq, Taken, All, Lasting, Opened);
                false ->
                    {ok, Json} = file:pread(Fd, Offset + ?RECORD, Length),
                    %% It was right when it was written or opened: if it isn't now, the next start finds out how much
                    %% can be read, and says so.
                    Crc = erlang:crc32(<<NextSeq:64, Class:8, Json/binary>>),
                    Size = ?RECORD + Length,
                    Lasts = case Class of 3 -> Lasting; _ -> plus(Lasting, Size) end,
                    take(Entries - 1, Bytes - Length, {First, Offset + Size}, NextSeq,
                         [{NextSeq, Json} | Taken], plus(All, Size), Lasts, Opened)
            end
    end.

taken(Position, _Seq, [], _All, _Lasting, State) ->
    {[], State#state{position = Position}};
taken(Position, Seq, Taken, All, Lasting, State) ->
    {lists:reverse(Taken), State#state{taken = {Seq, Position, All, Lasting}}}.

reader(#segment{first = First}, #state{reader = {First, Fd}} = State) ->
    {Fd, State};
reader(#segment{first = First, name = Name}, State) ->
    Closed = close_reader(State),
    {ok, Fd} = file:open(Name, [read, raw, binary]),
    {Fd, Closed#state{reader = {First, Fd}}}.

acknowledged(Last, Position, All, Lasting, State) ->
    %% Not synced: kill -9 doesn't lose it, and a machine that loses its power only makes entries appear again, which
    %% whoever reads them knows by their seq.
    _ = file:pwrite(State#state.cursor, 0, cursor(State#state.id, Last)),
    Done = State#state{acked = Last, position = Position, taken = undefined,
                       all = minus(State#state.all, All), lasting = minus(State#state.lasting, Lasting)},
    settle_loss(purge_later(delete_done(Done))).

delete_done(#state{segments = Segments, position = {First, _}} = State) ->
    case lists:splitwith(fun(#segment{first = F}) -> F < First end, Segments) of
        {[], _} ->
            State;
        {Done, Kept} ->
            [file:delete(Name) || #segment{name = Name} <- Done],
            %% A file that is still open stays on the disk without a name.
            close_reader(State#state{segments = Kept})
    end.

close_reader(#state{reader = undefined} = State) ->
    State;
close_reader(#state{reader = {_, Fd}} = State) ->
    _ = file:close(Fd),
    State#state{reader = undefined}.

purge_later(#state{purge = undefined, all = #load{entries = 0}, config = Config} = State) ->
    State#state{purge = erlang:send_after(maps:get(purge_after, Config, ?PURGE_AFTER), self(), purge)};
purge_later(State) ->
    State.

%% Empty since a while: begin an empty segment, so that the old one, which holds what people wrote, can go.
purge(#state{group = [], all = #load{entries = 0}, segments = [#segment{stop = Stop}]} = State) when Stop > ?HEADER ->
    case rotate(State) of
        {ok, #state{segments = Segments} = Rotated} ->
            delete_done(Rotated#state{position = {(lists:last(Segments))#segment.first, ?HEADER}});
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
        Names = lists:sort(filelib:wildcard("*.seg", to_list(Dir))),
        {Scanned, Cut} = scan(Dir, Names),
        Id = case Scanned of
                 [] -> rand_id();
                 _ -> element(1, lists:last(Scanned))
             end,
        Acked = max(State#state.acked, read_cursor(Dir, Id)),
        Newest = lists:max([Acked | [Seq || {_, _, Entries} <- Scanned, {Seq, _, _, _} <- Entries]]
                           ++ [First - 1 || {_, #segment{first = First}, _} <- Scanned]),
        %% Each byte that was cut off may have been an entry that somebody has seen.
        Next = max(Newest + 1 + Cut, State#state.next),
        {Segments, Fd} = open_newest(Dir, Id, Next, [Segment || {_, Segment, _} <- Scanned]),
        {ok, Cursor} = need(file:open(filename:join(Dir, "cursor"), [read, write, raw, binary])),
        Waiting = [Entry || {_, _, Entries} <- Scanned, {Seq, _, _, _} = Entry <- Entries, Seq > Acked],
        Opened = State#state{id = Id, uuid = uuid(Id), segments = Segments, fd = Fd, cursor = Cursor, next = Next,
                             acked = Acked, taken = undefined,
                             position = first_position(Acked, Scanned, Segments),
                             all = sum(Waiting),
                             lasting = sum([E || {_, Class, _, _} = E <- Waiting, Class =/= 3])},
        {ok, delete_done(Opened)}
    catch
        throw:{cannot, Reason} -> {error, Reason}
    end.

need({error, Reason}) -> throw({cannot, Reason});
need(Result) -> Result.

%% Reads all segments, oldest first, and returns of each its queue's id, itself and its entries as
%% {Seq, Class, Size, Offset}, and how many bytes had to be cut off in all.
scan(Dir, Names) ->
    lists:foldl(fun(Name, {Scanned, Cut}) ->
                        Path = filename:join(Dir, Name),
                        {ok, Content} = need(file:read_file(Path)),
                        case segment(Path, Content) of
                            {ok, Id, Segment, Entries} ->
                                Rest = byte_size(Content) - Segment#segment.stop,
                                Rest > 0 andalso
                                    ?LOG_WARNING("mod_lhc: ~b bytes at the end of ~ts cannot be read and are cut off "
                                                 "(a write that was under way when the machine or ejabberd died, or a "
                                                 "damaged disk)", [Rest, Path]),
                                {Scanned ++ [{Id, Segment, Entries}], Cut + Rest};
                            error when byte_size(Content) =< ?HEADER ->
                                %% It was being made.
                                _ = file:delete(Path),
                                {Scanned, Cut};
                            error ->
                                ?LOG_ERROR("mod_lhc: ~ts is damaged and put aside as .bad", [Path]),
                                _ = file:rename(Path, [Path, ".bad"]),
                                {Scanned, Cut + byte_size(Content)}
                        end
                end, {[], 0}, Names).

segment(Path, <<"LHCQ", ?VERSION:8, Id:16/binary, First:64, Crc:32, Records/binary>>) ->
    case erlang:crc32(<<"LHCQ", ?VERSION:8, Id/binary, First:64>>) of
        Crc ->
            {Entries, Stop} = records(Records, ?HEADER, []),
            {ok, Id, #segment{first = First, name = Path, stop = Stop}, Entries};
        _ -> error
    end;
segment(_, _) ->
    error.

records(<<Length:32, Crc:32, Seq:64, Class:8, Json:Length/binary, Rest/binary>>, Offset, Entries) ->
    case erlang:crc32(<<Seq:64, Class:8, Json/binary>>) of
        Crc ->
            Size = ?RECORD + Length,
            records(Rest, Offset + Size, [{Seq, Class, Size, Offset} | Entries]);
        _ ->
            {lists:reverse(Entries), Offset}
    end;
records(_, Offset, Entries) ->
    {lists:reverse(Entries), Offset}.

sum(Entries) ->
    lists:foldl(fun({_, _, Size, _}, Load) -> plus(Load, Size) end, #load{}, Entries).

first_position(Acked, Scanned, Segments) ->
    Waiting = [{First, Offset} || {_, #segment{first = First}, Entries} <- Scanned,
                                  {Seq, _, _, Offset} <- Entries, Seq > Acked],
    case Waiting of
        [Position | _] -> Position;
        [] ->
            #segment{first = First, stop = Stop} = lists:last(Segments),
            {First, Stop}
    end.

%% Goes on in the newest segment, or begins one. What was found there is synced: it may have been written just before
%% ejabberd was killed, and nothing that isn't on the disk may be handed out.
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
    Checked = <<"LHCQ", ?VERSION:8, Id/binary, First:64>>,
    case file:open(Name, [read, write, raw, binary]) of
        {ok, Fd} ->
            _ = file:change_mode(Name, 8#600),
            case file:pwrite(Fd, 0, [Checked, <<(erlang:crc32(Checked)):32>>]) of
                ok ->
                    case file:sync(Fd) of
                        ok ->
                            sync_dir(Dir),
                            {ok, #segment{first = First, name = Name, stop = ?HEADER}, Fd};
                        Error -> _ = file:close(Fd), Error
                    end;
                Error -> _ = file:close(Fd), Error
            end;
        Error -> Error
    end.

%% The file's name has to be on the disk too. Where folders cannot be opened or synced there is nothing to be done.
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

%% A cursor that is missing, torn or of another queue only makes entries appear again.
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

%% A random UUID (RFC 9562, version 4).
rand_id() ->
    <<A:48, _:4, B:12, _:2, C:62>> = crypto:strong_rand_bytes(16),
    <<A:48, 4:4, B:12, 2:2, C:62>>.

uuid(<<A:32, B:16, C:16, D:16, E:48>>) ->
    iolist_to_binary(io_lib:format("~8.16.0b-~4.16.0b-~4.16.0b-~4.16.0b-~12.16.0b", [A, B, C, D, E])).
