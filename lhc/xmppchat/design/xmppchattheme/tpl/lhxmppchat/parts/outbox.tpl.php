<h4><?php echo $t('Outbox: {pending} wait, {failed} failed', $counts)?></h4>
<p class="text-muted"><?php echo $t('What waits goes out by itself, in its order. A row that is dropped is never sent: for a chat, nothing more of it is sent until something happens in it again.')?></p>
<?php foreach (['failed' => $failed, 'pending' => $pending] as $state => $list) : ?>
<?php if ($list['rows'] !== []) : ?>
<form action="<?php echo $url('xmppchat/status')?>" method="post" ng-non-bindable>
<input type="hidden" name="csfr_token" value="<?php echo $token()?>">
<table class="table table-sm" id="xc-<?php echo $e($state)?>">
<thead><tr><th>#</th><th><?php echo $t('Since')?></th><th><?php echo $t('What')?></th><th><?php echo $t('Visitor')?></th><th><?php echo $t('Chat')?></th><th><?php echo $t('Tries')?></th><th><?php echo $t('Next try')?></th><th><?php echo $t('Reason')?></th><th></th></tr></thead>
<tbody>
<?php foreach ($list['rows'] as $row) : ?>
<tr><td><?php echo (int)$row['id']?></td><td><?php echo $time((int)$row['created_at'])?></td><td><?php echo $e(\XmppChat\Lhc\Admin\OutboxList::kind((string)$row['kind']))?></td><td><?php echo $e($row['visitor'])?></td><td><?php echo $e($row['chat_id'])?></td><td><?php echo (int)$row['tries']?></td><td><?php echo (int)$row['next_at'] > 0 && $state !== 'failed' ? $time((int)$row['next_at']) : ''?></td><td><?php echo $e($row['error'])?></td><td class="text-nowrap">
<?php if ($mayConfigure) : ?>
<button type="submit" class="btn btn-secondary btn-sm me-1" name="action" value="again:<?php echo (int)$row['id']?>"><?php echo $t('Send again')?></button>
<button type="submit" class="btn btn-danger btn-sm" name="action" value="drop:<?php echo (int)$row['id']?>"><?php echo $t('Drop')?></button>
<?php endif; ?>
</td></tr>
<?php endforeach; ?>
</tbody>
</table>
<?php if ($mayConfigure && $state === 'failed') : ?>
<button type="submit" class="btn btn-secondary btn-sm me-1" name="action" value="again:0"><?php echo $t('Send all that failed again')?></button>
<button type="submit" class="btn btn-danger btn-sm" name="action" value="drop:0" data-question="<?php echo $t('Drop all that failed?')?>" onclick="return confirm(this.dataset.question)"><?php echo $t('Drop all that failed')?></button>
<?php endif; ?>
</form>
<?php if ($list['next'] > 0) : ?><p><a href="<?php echo $url('xmppchat/status')?>/(<?php echo $e($state)?>)/<?php echo (int)$list['next']?>"><?php echo $t('more')?></a></p><?php endif; ?>
<?php endif; ?>
<?php endforeach; ?>
